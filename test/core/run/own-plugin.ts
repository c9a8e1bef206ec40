import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import type { MadeRun } from '../../../core/run/make.js';
import { debugRun } from './debug-run.js';
import { textFolder } from '../../text.js';

export interface OwnPlugin {
  /** The body of its class. */
  readonly body: string;
  /** What `@Plugin` takes beside name and summary. */
  readonly options?: string;
  /** How a config names it; default under `plugins`. */
  readonly at?: string;
  readonly folder?: string;
  readonly set?: readonly string[];
}

/** A run of two iterations with a plugin of one's own, `mine.ts`, in a folder that is gone after the test. */
export async function runWithOwn(
  t: ExecutionContext,
  { body, options = '', at = 'plugins={"./mine.ts": {}}', folder = textFolder(t), set = [] }: OwnPlugin,
): Promise<MadeRun> {
  const file = `import * as espalier from 'espalier';
import { inject, On, Plugin } from 'espalier';
@Plugin({ name: 'mine', summary: 'one of my own', ${options} })
export default class Mine {
  ${body}
}
`;
  writeFileSync(path.join(folder, 'mine.ts'), file);
  return debugRun(t, folder, 'run.dir=run', 'train.max_iters=2', at, ...set);
}
