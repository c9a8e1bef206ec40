import { isDeepStrictEqual } from 'node:util';
import { memoryRanks } from '../run/ranks.js';
import { testRun, type TestRun, type TestRunOptions } from '../run/test-run.js';
import { differs, outcomeOf } from './same.js';

/** Tolerance for float32 sums in another order, relative to the largest element. */
const TOLERANCE = 2e-5;

/** Creates runs that train together as ranks, one per rank; train them all at once with `trainTogether`. */
export async function testRanks(size: number, options: TestRunOptions = {}): Promise<TestRun[]> {
  const runs: TestRun[] = [];
  for (const rank of memoryRanks(size)) {
    runs.push(await testRun({ ...options, plugins: [rank, ...(options.plugins ?? [])] }));
  }
  return runs;
}

/** Trains all ranks at the same time. */
export async function trainTogether(ranks: readonly TestRun[]): Promise<void> {
  await Promise.all(ranks.map((rank) => rank.train()));
}

/**
 * Checks that two ranks with half the batch each train like one run with the whole batch: losses and weights are equal
 * except for rounding, and both ranks have bit-identical losses, weights and states of plugins that run on both.
 * @throws AssertionError naming the difference
 */
export async function assertTwoRanks(options: TestRunOptions = {}): Promise<void> {
  const withBatch = (size: number): TestRunOptions => ({ ...options, set: [...(options.set ?? []), batch(size)] });
  const ranks = await testRanks(2, withBatch(2));
  const one = await testRun(withBatch(4));
  try {
    await trainTogether(ranks);
    await one.train();
    const [first, second] = ranks.map((rank) => outcomeOf(rank));
    const whole = outcomeOf(one);
    if (first === undefined || second === undefined) return;
    if (!isDeepStrictEqual(first.losses, second.losses)) {
      throw differs('rank 1', 'its losses', [...second.losses.values()], [...first.losses.values()]);
    }
    for (const [name, { values }] of first.weights) {
      const other = second.weights.get(name)?.values;
      if (!isDeepStrictEqual(other, values)) throw differs('rank 1', `weight ${name}`, other, values);
      close(values, whole.weights.get(name)?.values, `two ranks: ${name}`);
    }
    close([...first.losses.values()], [...whole.losses.values()], 'two ranks: losses');
    for (const [name, state] of Object.entries(second.plugins)) {
      if (!isDeepStrictEqual(state, first.plugins[name])) {
        throw differs('rank 1', `the state of plugin ${name}`, state, first.plugins[name]);
      }
    }
  } finally {
    for (const run of [...ranks, one]) await run.dispose();
  }
}

function batch(size: number): string {
  return `train.batch_size=${String(size)}`;
}

function close(found: ArrayLike<number>, expected: ArrayLike<number> | undefined, what: string): void {
  const [own, other] = [Array.from(found), Array.from(expected ?? [])];
  const largest = other.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  const at = own.findIndex((value, i) => !(Math.abs(value - (other[i] ?? NaN)) / largest <= TOLERANCE));
  if (own.length !== other.length || at >= 0) throw differs(what, `element ${String(at)}`, own[at], other[at]);
}
