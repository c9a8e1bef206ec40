import { isUsageError } from '../../../core/index.js';
import { testRun, type TestRunOptions } from '../run/test-run.js';
import { assertClose } from './close.js';
import type { Moment } from './faults.js';
import { notFinite } from './repeat.js';
import { assertResumes, outcome } from './resume.js';
import { withSettings } from './settings.js';
import { Skipped } from './skipped.js';

/** In an iteration, in an evaluation, and at the end of an iteration. */
const STOPS: readonly Moment[] = [
  { event: 'batch:ready', at: 1 },
  { event: 'evaluation:batch' },
  { event: 'iteration:end', at: 5 },
];

/**
 * Checks that a run trains with finite losses and resumes bit for bit, without dropout and with a dropout of 0.5.
 * @throws AssertionError naming what differs
 */
export async function assertDropout(options: TestRunOptions = {}): Promise<void> {
  for (const dropout of [0, 0.5]) {
    const own = await withDropout(options, dropout);
    const what = `with dropout ${String(dropout)}`;
    const lost = [...(await outcome(own)).losses].find(([, loss]) => !Number.isFinite(loss));
    if (lost !== undefined) throw notFinite(what, ...lost);
    await assertResumes(own, STOPS, what);
  }
}

/**
 * Checks that accumulating two micro-batches trains as one batch of both does, apart from rounding (without dropout), and
 * that a run with gradient accumulation resumes bit for bit.
 * @throws AssertionError naming what differs
 */
export async function assertAccumulates(options: TestRunOptions = {}): Promise<void> {
  const own = await withDropout(options, 0);
  const halves = withSettings(own, 'train.batch_size=2', 'train.gradient_accumulation_steps=2');
  const whole = withSettings(own, 'train.batch_size=4', 'train.gradient_accumulation_steps=1');
  assertClose(await outcome(halves), await outcome(whole), 'two micro-batches of 2 for one of 4');
  await assertResumes(halves, STOPS, 'with two micro-batches');
}

/** @throws Skipped if the model has no dropout */
async function withDropout(options: TestRunOptions, dropout: number): Promise<TestRunOptions> {
  const own = withSettings(options, `model.dropout=${String(dropout)}`);
  try {
    await (await testRun(own)).dispose();
  } catch (thrown) {
    if (isUsageError(thrown)) throw new Skipped('the model has no option dropout');
    throw thrown;
  }
  return own;
}
