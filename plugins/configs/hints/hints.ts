import { existsSync } from 'node:fs';
import path from 'node:path';
import { resolveFrom } from '../../../core/paths.js';
import {
  isPluginPath,
  parsePath,
  pathKey,
  relativePath,
  showOrigin,
  valueAt,
  type ComposedConfig,
  type Finding,
  type Origin,
} from '../../../core/runs.js';
import { otherNames } from './other-names.js';

/** The findings with the settings that other trainers call what their keys are, and with other paths of plugins. */
export async function withHints(
  findings: readonly Finding[],
  composed: ComposedConfig,
  cwd: string,
): Promise<readonly Finding[]> {
  const called = findings.some(({ textWith }) => textWith !== undefined) ? await otherNames() : () => undefined;
  return findings.map((finding) => {
    const text = finding.textWith?.(called) ?? finding.text;
    return { ...finding, text: `${text}${pathHint(finding, composed, cwd)}` };
  });
}

/** For a plugin's file that does not exist. */
function pathHint({ path: at, cause }: Finding, composed: ComposedConfig, cwd: string): string {
  const named = at[0] === 'plugins' ? at[1] : valueAt(composed.value, at).value;
  if (cause?.code !== 'ESP_PLUGIN_NOT_FOUND' || typeof named !== 'string' || !isPluginPath(named)) return '';
  const origin = composed.origins.get(pathKey(at));
  return otherPath(origin?.written ?? named, origin, composed, cwd);
}

/** What to write in place of a path that leads nowhere, if another file has that path. */
function otherPath(shown: string, origin: Origin | undefined, composed: ComposedConfig, cwd: string): string {
  const folder = origin?.file === undefined ? cwd : path.dirname(origin.file);
  const why = 'a path is relative to the file that names it';
  for (const [key, other] of composed.origins) {
    const [, name = ''] = parsePath(key);
    if (other.written !== shown || !key.startsWith('plugins.') || !existsSync(resolveFrom(cwd, name))) continue;
    return `; ${showOrigin(other)} has ${shown} for another file, as ${why}: write ${relativePath(folder, resolveFrom(cwd, name))} for that one`;
  }
  const inCwd = resolveFrom(cwd, shown);
  return existsSync(inCwd) ? `; ${why}: write ${relativePath(folder, inCwd)} for ${inCwd}` : '';
}
