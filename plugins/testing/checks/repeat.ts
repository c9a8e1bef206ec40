import { AssertionError } from 'node:assert';
import { withOtherClock, withSteppingClock } from '../run/clock.js';
import type { TestRunOptions } from '../run/test-run.js';
import { long, outcome, reference } from './resume.js';
import { differenceIn, differs } from './same.js';

/**
 * Checks that repeating a run on another day gives the same bits: losses, metrics (except those declared with `clock`),
 * weights and every plugin's state.
 * @throws AssertionError naming what differs, and whether the clock or `Math.random` is the cause
 */
export async function assertRepeats(options: TestRunOptions = {}): Promise<void> {
  const first = await reference(options);
  const losses = [...first.losses].find(([, loss]) => !Number.isFinite(loss));
  if (losses !== undefined) throw notFinite('the run', ...losses);
  const again = await withOtherClock(() => outcome(long(options)));
  const difference = differenceIn(again, first);
  if (difference !== undefined) throw differs('the same run again', difference, `: ${await causeOf(options)}`);
}

/** A loss that is NaN or infinite. */
export function notFinite(what: string, iteration: number, loss: number): AssertionError {
  const message = `${what}: the loss of iteration ${String(iteration)} is ${String(loss)}`;
  return new AssertionError({ message, actual: loss, expected: 'a finite loss', operator: 'strictEqual' });
}

async function causeOf(options: TestRunOptions): Promise<string> {
  if (await isSame(options, withSteppingClock))
    return 'it depends on the clock; if it is a metric, declare it with `clock: true`';
  if (await isSame(options, withSameRandom)) return 'it depends on Math.random; take a named stream of RandomStreams';
  if (await isSame(options, (work) => withSteppingClock(() => withSameRandom(work)))) {
    return 'it depends on the clock and on Math.random';
  }
  return 'neither the clock nor Math.random is behind it, so look for variables that outlive a run, and for work in the background';
}

/** Returns whether two runs are the same if a possible cause is the same in both. */
async function isSame(
  options: TestRunOptions,
  fixed: (work: () => Promise<unknown>) => Promise<unknown>,
): Promise<boolean> {
  const outcomes: Awaited<ReturnType<typeof outcome>>[] = [];
  for (let i = 0; i < 2; i++) await fixed(async () => outcomes.push(await outcome(long(options))));
  const [one, other] = outcomes;
  return one !== undefined && other !== undefined && differenceIn(one, other) === undefined;
}

/** Runs work with a `Math.random` that returns the same numbers each time. */
async function withSameRandom<T>(work: () => Promise<T>): Promise<T> {
  const real = Object.getOwnPropertyDescriptor(Math, 'random');
  let calls = 0;
  Object.defineProperty(Math, 'random', { ...real, value: () => (++calls * GOLDEN) % 1 });
  try {
    return await work();
  } finally {
    if (real !== undefined) Object.defineProperty(Math, 'random', real);
  }
}

/** The fractional parts of its multiples are spread evenly. */
const GOLDEN = 0.618_033_988_749_894_8;
