import path from 'node:path';
import { RunControl, type EventName } from '../../../core/index.js';
import { checkpointNames } from '../../checkpoint/contract.js';
import { MemoryCheckpoints } from '../run/checkpoints.js';
import { testRun, type TestRunOptions, type Fault } from '../run/test-run.js';
import { onceAt, signalArrives, type Moment } from './faults.js';
import { assertSame, outcomeOf, type Outcome } from './same.js';

/** Trains a run to its end and returns its final state. */
export async function outcome(options: TestRunOptions = {}): Promise<Outcome> {
  await using run = await testRun(options);
  await run.train();
  return outcomeOf(run);
}

/**
 * Trains a run in parts. Each fault ends a part, by a stop or an error; the next part resumes from the newest
 * checkpoint in memory or, if given, in the folder, or starts over if there is none.
 * @param options.faults apply to every part
 * @returns the final state and the number of parts
 */
export async function outcomeInParts(
  options: TestRunOptions,
  faults: readonly (readonly Fault[])[],
): Promise<Outcome & { readonly parts: number }> {
  const checkpoints = new MemoryCheckpoints();
  let losses: ReadonlyMap<number, number> = new Map();
  for (let part = 0; ; part++) {
    await using run = await testRun({
      ...options,
      checkpoints,
      faults: [...(options.faults ?? []), ...(faults[part] ?? [])],
      resume: options.folder !== undefined && (await hasCheckpoints(options.folder)),
    });
    const isLast = part >= faults.length;
    const ended = await run.train().catch((thrown: unknown) => {
      if (isLast) throw thrown;
      return undefined;
    });
    checkpoints.failWrites(() => false);
    if (ended?.status === 'done') return { ...outcomeOf(run, losses), parts: part + 1 };
    if (isLast) throw new Error(`the run stopped by itself: ${ended?.reasons.join(', ') ?? 'it failed'}`);
    losses = new Map([...losses, ...run.events.losses]);
  }
}

async function hasCheckpoints(folder: string): Promise<boolean> {
  return (await checkpointNames(path.join(folder, 'checkpoints'))).length > 0;
}

/** Default stops: a signal in the first iteration, during an evaluation, and at the end of an iteration. */
const STOPS: readonly Moment[] = [
  { event: 'batch:ready', at: 0 },
  { event: 'evaluation:batch' },
  { event: 'iteration:end', at: 5 },
];

/**
 * Checks that a run that is stopped by signals and resumed, with all its parts created anew each time, gives the same
 * bits as an uninterrupted one: losses, weights, optimizer, random streams and every plugin's state.
 * @param options.folder holds the files of both runs afterwards, in `whole` and `parts`
 * @throws AssertionError naming the difference
 */
export async function assertResumes(options: TestRunOptions = {}, stops: readonly Moment[] = STOPS): Promise<void> {
  const within = (name: string): TestRunOptions =>
    options.folder === undefined ? options : { ...options, folder: path.join(options.folder, name) };
  const whole = await outcome(within('whole'));
  const parts = await outcomeInParts(
    within('parts'),
    stops.map((stop) => [signalArrives(stop)]),
  );
  assertSame(parts, whole, `stopped ${String(parts.parts - 1)} times and resumed`);
}

/**
 * Checks that a run that rolls back to a checkpoint and trains on the same data again gives the same bits as one that
 * does not.
 * @param at iterations done at the rollback; must be between two checkpoints
 * @throws AssertionError naming the difference
 */
export async function assertRollsBack(options: TestRunOptions = {}, at = 5): Promise<void> {
  const event: EventName = 'iteration:end';
  const goesBack = onceAt({ event, at }, ({ run }) => {
    run.container.resolve(RunControl).requestRollback({ to: 'latest', what: 'run', reason: 'asked for by a test' });
  });
  const whole = await outcome(options);
  await using run = await testRun({ ...options, faults: [...(options.faults ?? []), goesBack] });
  await run.train();
  if (run.events.of('run:rollback').length !== 1) {
    throw new Error(`the run did not go back at iteration ${String(at)}: is there a checkpoint before it?`);
  }
  assertSame(outcomeOf(run), whole, `after a rollback at iteration ${String(at)}`);
}
