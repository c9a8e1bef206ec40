import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { emptyFolder } from './e2e/command.js';

export interface OwnPlugin {
  /** The body of its class. */
  readonly body: string;
  /** What `@Plugin` takes beside name and summary. */
  readonly options?: string;
}

/** A folder with a plugin of one's own, `mine.ts`, gone after the test. */
export function ownPlugin(t: ExecutionContext, { body, options = '' }: OwnPlugin): string {
  const folder = emptyFolder(t);
  const file = `import * as espalier from 'espalier';
import { inject, On, Plugin } from 'espalier';
@Plugin({ name: 'mine', summary: 'one of my own', ${options} })
export default class Mine {
  ${body}
}
`;
  writeFileSync(path.join(folder, 'mine.ts'), file);
  return folder;
}
