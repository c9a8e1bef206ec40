import { rm } from 'node:fs/promises';
import path from 'node:path';
import { messageOf, RunControl, type EventName } from '../../../core/index.js';
import { checkpointNames } from '../../checkpoint/contract.js';
import { MemoryCheckpoints } from '../run/checkpoints.js';
import { temporaryFolder, testRun, type Fault, type TestRun, type TestRunOptions } from '../run/test-run.js';
import { atEachEvent, onceAt, signalArrives, type Moment } from './faults.js';
import { assertSame, differenceIn, outcomeOf, publishedBy, type Outcome, type Published } from './same.js';

/** Trains a run to its end and returns its final state. */
export async function outcome(options: TestRunOptions = {}): Promise<Outcome> {
  await using run = await testRun(options);
  await run.train();
  return outcomeOf(run);
}

/** Enough iterations for a run that is ended at each event in turn to reach all of them. */
const ITERATIONS = 9;
const references = new WeakMap<TestRunOptions, Promise<Outcome>>();

/** Returns the final state of nine iterations; trained once per options object, since several checks compare with it. */
export function reference(options: TestRunOptions): Promise<Outcome> {
  const found = references.get(options) ?? outcome(long(options));
  references.set(options, found);
  return found;
}

/** The options of `reference`. */
export function long(options: TestRunOptions): TestRunOptions {
  return { iterations: ITERATIONS, ...options };
}

/** One part of a run that `inParts` trained. */
export interface Part {
  readonly made: TestRun;
  /** What `train` threw; undefined if it finished or was stopped. */
  readonly thrown: Error | undefined;
}

/**
 * Trains a run in parts. Each resumes from the newest checkpoint in memory or, if given, in the folder, or starts over if
 * there is none.
 * @param options.faults apply to every part
 * @param part.faults what ends a part, by its number from 0
 * @param part.ended called after each part, before it is disposed; returns true if it was the last
 */
async function inParts(
  options: TestRunOptions,
  part: {
    readonly faults: (index: number) => readonly Fault[];
    readonly ended: (part: Part, index: number) => boolean | Promise<boolean>;
  },
): Promise<Outcome & { readonly parts: number }> {
  const checkpoints = new MemoryCheckpoints();
  const dir = options.config?.run?.dir ?? temporaryFolder();
  const config = { ...options.config, run: { ...options.config?.run, dir } };
  let published: Published | undefined;
  try {
    for (let index = 0; ; index++) {
      await using made = await testRun({
        ...options,
        ...(options.folder === undefined ? { config } : {}),
        checkpoints,
        faults: [...(options.faults ?? []), ...part.faults(index)],
        resume: options.folder !== undefined && (await hasCheckpoints(options.folder)),
      });
      const thrown = await made.train().then(() => undefined, asError);
      checkpoints.failWrites(() => false);
      if (await part.ended({ made, thrown }, index)) return { ...outcomeOf(made, published), parts: index + 1 };
      published = publishedBy(made, published);
    }
  } finally {
    if (dir !== options.config?.run?.dir) await rm(dir, { recursive: true, force: true });
  }
}

/**
 * Trains a run in parts. Each fault ends a part, by a stop or an error; the next part resumes from the newest
 * checkpoint in memory or, if given, in the folder, or starts over if there is none.
 * @param options.faults apply to every part
 * @returns the final state and the number of parts
 */
export function outcomeInParts(
  options: TestRunOptions,
  faults: readonly (readonly Fault[])[],
): Promise<Outcome & { readonly parts: number }> {
  return inParts(options, {
    faults: (index) => faults[index] ?? [],
    ended: ({ made, thrown }, index) => {
      const isLast = index >= faults.length;
      if (isLast && thrown !== undefined) throw thrown;
      const [end] = made.events.of('run:end').slice(-1);
      if (thrown === undefined && end?.status === 'done') return true;
      if (isLast) throw new Error(`the run stopped by itself: ${end?.reasons.join(', ') ?? 'it failed'}`);
      return false;
    },
  });
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(messageOf(thrown), { cause: thrown });
}

async function hasCheckpoints(folder: string): Promise<boolean> {
  return (await checkpointNames(path.join(folder, 'checkpoints'))).length > 0;
}

/**
 * Checks that a run that is stopped by signals and resumed in a new container each time gives the same bits as an
 * uninterrupted one: losses, metrics, weights, optimizer, random streams and every plugin's state.
 * @param options.folder keeps both runs' files, in `whole` and `parts`
 * @param stops when signals arrive; default: at each event that the run publishes
 * @param what the error begins with it: what is special about this run
 * @throws AssertionError naming what differs
 */
export async function assertResumes(options: TestRunOptions = {}, stops?: readonly Moment[], what = ''): Promise<void> {
  if (stops === undefined) {
    await assertEachEnds(options, {
      act: ({ process }) => {
        process.deliver('SIGTERM');
      },
      what: 'stopped',
    });
    return;
  }
  const whole = await outcome(within(options, 'whole'));
  const parts = await outcomeInParts(
    within(options, 'parts'),
    stops.map((stop) => [signalArrives(stop)]),
  );
  assertSame(parts, whole, `${what === '' ? '' : `${what}, `}stopped ${String(parts.parts - 1)} times and resumed`);
}

/** How to end the parts of a run, one at each event. */
export interface Ending {
  readonly act: (made: TestRun) => void;
  /** The word in messages: `stopped`. */
  readonly what: string;
  /** Checks each part that was ended. */
  readonly look?: (part: Part, event: EventName) => void | Promise<void>;
}

/**
 * Checks that a run that is ended once at each event and resumed gives the same bits as an uninterrupted one.
 * @throws AssertionError naming what differs, and the event if ending at that one alone causes it
 */
export async function assertEachEnds(options: TestRunOptions, { act, what, look }: Ending): Promise<void> {
  const { folder, ...inMemory } = options;
  const train = async (from: TestRunOptions, only?: EventName): Promise<Ended> => {
    const ending = atEachEvent(act, only);
    const found = await inParts(long(from), {
      faults: () => [ending.fault()],
      ended: async (part) => {
        if (ending.last === undefined && part.thrown !== undefined) throw part.thrown;
        if (ending.last !== undefined) await look?.(part, ending.last);
        return ending.last === undefined;
      },
    });
    return { found, events: ending.seen };
  };
  const whole = await (folder === undefined ? reference(options) : outcome(long(within(options, 'whole'))));
  const { found, events } = await train(within(options, 'parts'));
  if (differenceIn(found, whole) === undefined) return;
  for (const event of events)
    assertSame((await train(inMemory, event)).found, whole, `${what} at ${event} and resumed`);
  assertSame(found, whole, `${what} at each of ${events.join(', ')}, and resumed`);
}

interface Ended {
  readonly found: Outcome;
  readonly events: readonly EventName[];
}

function within(options: TestRunOptions, name: string): TestRunOptions {
  return options.folder === undefined ? options : { ...options, folder: path.join(options.folder, name) };
}

/**
 * Checks that a run that rolls back to a checkpoint and trains on the same data again gives the same bits as one that did
 * not: two iterations after a checkpoint, at the next one, and at the end.
 * @param at iterations done when it rolls back to the newest checkpoint; between that checkpoint and the next one
 * @throws AssertionError naming what differs
 */
export async function assertRollsBack(options: TestRunOptions = {}, at?: number): Promise<void> {
  const whole = await reference(options);
  for (const iteration of at === undefined ? ROLLBACKS : [at]) {
    const goesBack = onceAt({ event: 'iteration:end', at: iteration }, ({ run }) => {
      run.container.resolve(RunControl).requestRollback({ to: 'latest', what: 'run', reason: 'asked for by a test' });
    });
    await using run = await testRun({ ...long(options), faults: [...(options.faults ?? []), goesBack] });
    await run.train();
    if (run.events.of('run:rollback').length !== 1) {
      throw new Error(`the run did not roll back at iteration ${String(iteration)}: is there a checkpoint before it?`);
    }
    assertSame(outcomeOf(run), whole, `after a rollback at iteration ${String(iteration)}`);
  }
}

const ROLLBACKS = [5, 9];
