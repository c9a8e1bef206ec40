import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { problems } from '../../../core/config/findings.js';
import type { ComposedConfig } from '../../../core/config/composed.js';
import { composeConfig } from '../../../plugins/configs/layers/compose.js';
import type { CoreConfig } from '../../../core/config/schema.js';
import { checkCore } from '../../../core/config/slots.js';

/** A folder with these files (text by relative path), removed after the test. */
export async function folderWith(t: ExecutionContext, files: Record<string, string>): Promise<string> {
  const folder = await realpath(await mkdtemp(path.join(os.tmpdir(), 'espalier-config-')));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  return folder;
}

/** Composes what a folder with these files gives. */
export async function compose(
  t: ExecutionContext,
  files: Record<string, string>,
  more: { presets?: string[]; set?: string[]; configFile?: string } = {},
): Promise<ComposedConfig> {
  const cwd = await folderWith(t, files);
  return composeConfig({ cwd, presets: more.presets ?? [], set: more.set ?? [], configFile: more.configFile });
}

/** `espalier.config.yaml` alone, with lines joined. */
export function yaml(...lines: string[]): Record<string, string> {
  return { 'espalier.config.yaml': lines.join('\n') };
}

/** The core's checked settings. @throws UsageError listing what is wrong with them, and with what is no plugin */
export function checkedCore(composed: ComposedConfig): CoreConfig {
  const { core, findings } = checkCore(composed);
  if (core === undefined || findings.length > 0) throw problems(findings);
  return core;
}
