import { readFileSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { eachLeaf, isSection, valueAt, pathKey } from '../../../core/runs.js';
import { findCheckpoint, readCheckpoint } from '../../checkpoint/contract.js';
import type { LoadedCheckpoint, PluginState, StoredTensor } from '../../../core/index.js';
import { firstDifference } from './difference.js';

/** Result of comparing two runs, part by part. */
export interface Comparison {
  /** The parts that are equal. */
  readonly same: readonly string[];
  /** Description of the first difference; undefined if there is none. */
  readonly difference: string | undefined;
}

/**
 * Compares the newest checkpoints and the logs of two runs.
 * @param folders of the uninterrupted run, then the resumed one
 */
export async function compareRuns(folders: readonly [string, string]): Promise<Comparison> {
  const load = async (folder: string): Promise<LoadedCheckpoint> =>
    readCheckpoint(await findCheckpoint(folder, folder));
  const [whole, parts] = [await load(folders[0]), await load(folders[1])];
  const digest = (of: LoadedCheckpoint): unknown => of.state.plugins['batch-digest']?.state;
  const plugins = Object.keys(whole.state.plugins).filter((name) => name !== 'batch-digest');
  const checks: [string, () => string | undefined][] = [
    ['batches served', () => differing(digest(whole), digest(parts))],
    ['training log', () => differingLine(lossLines(folders[0]), lossLines(folders[1]))],
    ['weights', () => differingTensor(whole.weights, parts.weights)],
    ['optimizer', () => differingTensor(whole.optimizer.tensors, parts.optimizer.tensors)],
    ['optimizer’s counts', () => differing(whole.optimizer.scalars, parts.optimizer.scalars)],
    ['position', () => differing(whole.state.run, parts.state.run)],
    ['random streams', () => differing(whole.state.random, parts.state.random)],
    ['tunables', () => differing(whole.state.tunables, parts.state.tunables)],
    ...plugins.map((name): [string, () => string | undefined] => [
      `state of plugin ${name}`,
      () =>
        differing(comparable(whole.state.plugins[name]), comparable(parts.state.plugins[name])) ??
        differingTensor(whole.plugins.get(name) ?? new Map(), parts.plugins.get(name) ?? new Map()),
    ]),
  ];
  const same: string[] = [];
  for (const [what, check] of checks) {
    const found = check();
    if (found !== undefined) return { same, difference: `${what}: ${found}` };
    same.push(what);
  }
  return { same, difference: undefined };
}

/** Returns a plugin's state without its `identity`, which is unique to each run. */
function comparable(kept: PluginState | undefined): unknown {
  if (kept === undefined || !isSection(kept.state)) return kept;
  return { ...kept, state: { ...kept.state, identity: undefined } };
}

/** Reads the lines of the metrics log, which also holds evaluations and plugins' metrics. */
function lossLines(folder: string): string[] {
  return readFileSync(path.join(folder, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
}

function differingLine(whole: readonly string[], parts: readonly string[]): string | undefined {
  const at = whole.findIndex((line, i) => line !== parts[i]);
  if (at >= 0) return `${whole[at] ?? ''} in the uninterrupted run, ${parts[at] ?? 'nothing'} in the resumed one`;
  return parts.length > whole.length
    ? `the resumed run has an additional line: ${parts[whole.length] ?? ''}`
    : undefined;
}

function differingTensor(
  whole: ReadonlyMap<string, StoredTensor>,
  parts: ReadonlyMap<string, StoredTensor>,
): string | undefined {
  for (const [name, { shape, values }] of whole) {
    const other = parts.get(name);
    if (other === undefined) return `${name} is missing in the resumed run`;
    if (String(other.shape) !== String(shape)) return `${name} is [${String(shape)}] and [${String(other.shape)}]`;
    const at = firstDifference(values, other.values);
    if (at >= 0) return `${name} differs first at ${String(at)}: ${String(values[at])} and ${String(other.values[at])}`;
  }
  const extra = [...parts.keys()].find((name) => !whole.has(name));
  return extra === undefined ? undefined : `only the resumed run has ${extra}`;
}

/** Describes the first leaf that differs, with both values. */
function differing(whole: unknown, parts: unknown): string | undefined {
  if (isDeepStrictEqual(whole, parts)) return undefined;
  let found: string | undefined;
  eachLeaf(whole, (path, value) => {
    const { value: other, depth } = valueAt(parts, path);
    if (found !== undefined || (depth === path.length && isDeepStrictEqual(value, other))) return;
    const key = pathKey(path);
    found = `${key === '' ? '' : `${key} is `}${short(value)} in the uninterrupted run, ${short(other)} in the resumed one`;
  });
  return found ?? 'the resumed run has additional keys';
}

function short(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  const most = 80;
  return text.length > most ? `${text.slice(0, most)}…` : text;
}
