import { readFileSync } from 'node:fs';
import path from 'node:path';
import { isSection, type Settings } from '../../../core/runs.js';
import { findCheckpoint, readCheckpoint } from '../../checkpoint/contract.js';
import type { LoadedCheckpoint } from '../../../core/index.js';
import { comparable, differingLeaf, differingTensor, showValue, type Difference } from './difference.js';

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
  const checks: [string, () => Difference | undefined][] = [
    ['batches served', () => differingLeaf(digest(parts), digest(whole))],
    ['training log', () => differingLine(lossLines(folders[1]), lossLines(folders[0]))],
    ['weights', () => differingTensor(parts.weights, whole.weights)],
    ['optimizer', () => differingTensor(parts.optimizer.tensors, whole.optimizer.tensors)],
    ['optimizer’s counts', () => differingLeaf(parts.optimizer.scalars, whole.optimizer.scalars)],
    ['position', () => differingLeaf(parts.state.run, whole.state.run)],
    ['random streams', () => differingLeaf(parts.state.random, whole.state.random)],
    ['tunables', () => differingLeaf(parts.state.tunables, whole.state.tunables)],
    ...plugins.map((name): [string, () => Difference | undefined] => [
      `state of plugin ${name}`,
      () =>
        differingLeaf(comparable(parts.state.plugins[name]), comparable(whole.state.plugins[name])) ??
        differingTensor(parts.plugins.get(name) ?? new Map(), whole.plugins.get(name) ?? new Map()),
    ]),
  ];
  const same: string[] = [];
  for (const [what, check] of checks) {
    const found = check();
    if (found !== undefined) return { same, difference: `${what}: ${shown(found)}` };
    same.push(what);
  }
  return { same, difference: undefined };
}

/** Lines of the training log by iteration: evaluations and what plugins publish stand among them. */
function lossLines(folder: string): string[] {
  return readFileSync(path.join(folder, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
}

function differingLine(parts: readonly string[], whole: readonly string[]): Difference | undefined {
  for (let i = 0; i < Math.max(parts.length, whole.length); i++) {
    const [found, expected] = [parts[i], whole[i]];
    if (found === expected) continue;
    const [own, other] = [parsed(found), parsed(expected)];
    // Lines of different iterations: one log has a line that the other lacks.
    if (own['iter'] === undefined || own['iter'] !== other['iter'])
      return { at: `line ${String(i + 1)}`, found, expected };
    const difference = differingLeaf(own, other);
    if (difference !== undefined) return { ...difference, at: `iteration ${showValue(own['iter'])}: ${difference.at}` };
  }
  return undefined;
}

function parsed(line: string | undefined): Settings {
  const value: unknown = line === undefined ? {} : JSON.parse(line);
  return isSection(value) ? value : {};
}

function shown({ at, found, expected }: Difference): string {
  const where = at === '' ? '' : `${at} is `;
  return `${where}${showValue(expected)} in the uninterrupted run, ${showValue(found)} in the resumed one`;
}
