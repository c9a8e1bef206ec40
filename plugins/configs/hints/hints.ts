import { existsSync } from 'node:fs';
import path from 'node:path';
import { resolveFrom } from '../../../core/paths.js';
import {
  isPluginPath,
  pathKey,
  relativePath,
  showOrigin,
  valueAt,
  type ComposedConfig,
  type ConfigPath,
  type Finding,
  type Origin,
} from '../../../core/runs.js';
import { parsePath } from '../layers/path.js';
import { otherNames, type SettingCalled } from './other-names.js';

/** Adds hints to findings: the setting that another trainer's name stands for, or the right path of a plugin. */
export async function withHints(
  findings: readonly Finding[],
  composed: ComposedConfig,
  cwd: string,
): Promise<readonly Finding[]> {
  const called = findings.some(({ unknown }) => unknown !== undefined) ? await otherNames() : () => undefined;
  return findings.map((finding) => ({
    ...finding,
    text: `${textOf(finding, called)}${pathHint(finding, composed, cwd)}`,
  }));
}

function textOf({ path: at, text, unknown }: Finding, called: SettingCalled): string {
  const hint = unknown === undefined ? undefined : otherName(called(at.at(-1) ?? ''), at, unknown.known);
  return hint === undefined ? text : (unknown?.textWith(hint) ?? text);
}

/**
 * Returns "did you mean …?" for a setting that another trainer's name stands for; only its last key if it belongs to
 * the same section.
 */
function otherName(meant: string | undefined, path: ConfigPath, known: readonly string[]): string | undefined {
  if (meant === undefined) return undefined;
  const full = parsePath(meant);
  const last = full.at(-1) ?? '';
  const isBeside = pathKey(full.slice(0, -1)) === pathKey(path.slice(0, -1));
  if (!isBeside) return `did you mean ${JSON.stringify(meant)}?`;
  return known.includes(last) ? `did you mean ${JSON.stringify(last)}?` : undefined;
}

/** Returns a hint for a plugin's file that does not exist. */
function pathHint({ path: at, cause }: Finding, composed: ComposedConfig, cwd: string): string {
  const named = at[0] === 'plugins' ? at[1] : valueAt(composed.value, at).value;
  if (cause?.code !== 'ESP_PLUGIN_NOT_FOUND' || typeof named !== 'string' || !isPluginPath(named)) return '';
  const origin = composed.origins.get(pathKey(at));
  return otherPath(origin?.written ?? named, origin, composed, cwd);
}

/** Returns what to write instead of a path, if it would be right relative to another file or to `cwd`. */
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
