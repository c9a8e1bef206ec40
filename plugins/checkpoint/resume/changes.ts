import { isDeepStrictEqual } from 'node:util';
import { UsageError } from '../../../core/errors.js';
import {
  type ComposedConfig,
  type ConfigPath,
  type ConfiguredPlugin,
  type Given,
  type Origin,
  type Texts,
  eachLeaf,
  isSection,
  originAt,
  pathKey,
  showOrigin,
  valueAt,
} from '../../../core/runs.js';
import { composedOf, merge, parsePath, treeOf } from '../../configs/contract.js';
import { policyAt } from './policy.js';

/** A key whose value differs between the config and the checkpoint. */
export interface ConfigChange {
  readonly path: ConfigPath;
  readonly from: unknown;
  readonly to: unknown;
  readonly origin: Origin;
  /** `override`: named by --override; `given`: set for this start; `kept`: the checkpoint's value stays. */
  readonly taken: 'override' | 'given' | 'kept';
}

/** Keys that say how to start, not what the run is. */
const STARTING = ['init', 'resume'];

/**
 * Compares the current config with a checkpoint's. A value counts as given if `--set` sets it, or if a preset or config
 * file sets it that had another value when the checkpoint was saved; defaults never count.
 * @param given the values that each file had when the checkpoint was saved
 * @param override keys or sections whose current values are used, wherever they come from
 */
export function configChanges(
  stored: Record<string, unknown>,
  given: Given,
  current: ComposedConfig,
  override: readonly string[],
): ConfigChange[] {
  const forced = override.map(parsePath);
  const changes: ConfigChange[] = [];
  eachLeaf(current.value, (path, to) => {
    if (STARTING.includes(path[0] ?? '')) return;
    const { value, depth } = valueAt(stored, path);
    const from = depth === path.length ? value : undefined;
    if (same(from, to) || isDeepStrictEqual(from, asWritten(to, path, current.texts))) return;
    const origin = originAt(current, path) ?? { source: 'default' };
    const then = given[origin.source];
    const key = pathKey(path);
    const before = origin.source !== '--set' && then !== undefined && Object.hasOwn(then, key) && same(then[key], to);
    const named = forced.some((at) => at.every((part, i) => part === path[i]));
    changes.push({ path, from, to, origin, taken: named ? 'override' : before ? 'kept' : 'given' });
  });
  return changes;
}

/** Returns the checkpoint's config with the changes that apply. */
export function withChanges(
  stored: Record<string, unknown>,
  checkpoint: string,
  current: ComposedConfig,
  changes: readonly ConfigChange[],
): ComposedConfig {
  const source = `${checkpoint}/state.json`;
  const layers = [
    treeOf(stored, { originOf: () => ({ source }) }),
    ...changes
      .filter(({ taken }) => taken !== 'kept')
      .map(({ path, to, origin }) => {
        const value = path.reduceRight<unknown>((inner, key) => Object.fromEntries([[key, inner]]), to);
        return treeOf(isSection(value) ? value : {}, { originOf: () => origin, texts: current.texts });
      }),
  ];
  const merged = layers.reduce((under, over) => merge(under, over));
  return composedOf(merged, { layers: [source, ...current.layers], files: current.files, given: current.given });
}

/**
 * Reports each change in one line.
 * @throws UsageError naming the first change of a fixed key that `--override` does not name
 */
export function reportChanges(
  changes: readonly ConfigChange[],
  plugins: readonly ConfiguredPlugin[],
  say: (level: 'info' | 'warn', line: string) => void,
): void {
  const fixed = changes.find(({ path, taken }) => taken === 'given' && policyAt(path, plugins) === 'fixed');
  if (fixed !== undefined) {
    const { path, from, to, origin } = fixed;
    const key = pathKey(path);
    throw new UsageError(
      'ESP_RESUME_FIXED',
      `${showOrigin(origin)}: ${key} is ${shown(to)}, and ${shown(from)} in the checkpoint: changing it makes this a different run; remove it, or apply it with --override ${key}`,
    );
  }
  for (const { path, from, to, origin, taken } of changes) {
    const key = pathKey(path);
    if (taken === 'kept') {
      const where = `${showOrigin(origin)} has ${shown(to)}, as when the checkpoint was saved`;
      say('info', `${key} stays ${shown(from)} (${where}; --override ${key} changes it)`);
    } else if (policyAt(path, plugins) === 'warn') {
      say(
        'warn',
        `${key}: ${shown(from)} -> ${shown(to)}; the run resumes, but its results will not be bit-identical to an uninterrupted run`,
      );
    } else say('info', `${key}: ${shown(from)} -> ${shown(to)}`);
  }
}

function same(from: unknown, to: unknown): boolean {
  if (isDeepStrictEqual(from, to)) return true;
  // `{}` turns a plugin on and sets none of its options; `false` and a missing key are both off.
  if (isSection(to) && Object.keys(to).length === 0) return isSection(from);
  return (to === false || to === null) && (from === false || from === null || from === undefined);
}

/** A stored text option holds the text as written: 0012, which YAML reads as 12. */
function asWritten(value: unknown, path: ConfigPath, texts: Texts): unknown {
  if (!Array.isArray(value)) return texts.get(pathKey(path)) ?? value;
  return Array.from(value, (item, index) => asWritten(item, [...path, String(index)], texts));
}

function shown(value: unknown): string {
  if (value === undefined) return 'not set';
  return isSection(value) ? 'on' : JSON.stringify(value);
}
