import type { RandomStream, RunSettings } from '../core/index.js';
import {
  assertSame,
  outcome,
  outcomeInParts,
  writeFails,
  type Fault,
  type Outcome,
  type TestRun,
  type TestRunOptions,
} from '../plugins/testing/contract.js';

/** Runs that differ in what has state: each is trained once without a stop. */
const wholes = new Map<string, Promise<Outcome>>();

const ITERATIONS = 5;
const TEXT = 'pack my box with five dozen liquor jugs. '.repeat(6);
/** More than a run publishes: some stops never come, and the run ends in that part. */
const MOST_EVENTS = 80;
const MOST_STOPS = 3;

/**
 * Trains a run in parts, each ended by a signal, an error or a pause at a random event, with checkpoints that cannot be
 * written in between, and compares it with the run that was not stopped.
 * @returns how many parts it took
 * @throws AssertionError naming what differs
 */
export async function stopOnce(random: RandomStream): Promise<number> {
  const options = randomRun(random);
  const key = JSON.stringify(options);
  const whole = wholes.get(key) ?? outcome(options);
  wholes.set(key, whole);
  const stops = Array.from({ length: 1 + random.below(MOST_STOPS) }, () => randomStop(random));
  const shown = stops.map(({ name }) => name).join(', then ');
  const what = `${key} with ${shown}`;
  const expected = await whole;
  try {
    const found = await outcomeInParts(
      options,
      stops.map(({ faults }) => faults),
    );
    // Which checkpoint is the best is of those that could be written.
    assertSame(found, expected, what, stops.some(({ losesWrites }) => losesWrites) ? ['checkpoint'] : []);
    return found.parts;
  } catch (thrown) {
    throw new Error(what, { cause: thrown });
  }
}

function randomRun(random: RandomStream): TestRunOptions {
  const pick = <T>(...of: readonly [T, ...T[]]): T => of[random.below(of.length)] ?? of[0];
  const config: RunSettings = {
    // Rarely read ahead: starting a thread takes longer than all the rest.
    batches: { strategy: pick('random', 'sequential', 'epoch'), prefetch: random.below(8) === 0 ? 2 : 0 },
    lr: pick('warmup-cosine', 'wsd'),
    train: { gradient_accumulation_steps: pick(1, 2) },
    plugins: {
      evaluation: { interval: pick(2, 3), iters: 1 },
      checkpoint: { interval: pick(0, 1, 4), background: pick(true, false) },
      ...pick({}, { ema: { decay: 0.9 } }),
    },
  };
  return { iterations: ITERATIONS, config, text: TEXT };
}

interface Stop {
  readonly name: string;
  readonly faults: readonly Fault[];
  readonly losesWrites: boolean;
}

function randomStop(random: RandomStream): Stop {
  const at = random.below(MOST_EVENTS);
  const kinds: readonly (readonly [string, (run: TestRun) => void])[] = [
    [
      'SIGTERM',
      ({ process }) => {
        process.deliver('SIGTERM');
      },
    ],
    [
      'pause',
      ({ run }) => {
        run.stop('asked for by the fuzzer');
      },
    ],
    [
      'error',
      () => {
        throw new Error('thrown by the fuzzer');
      },
    ],
  ];
  const [name, act] = kinds[random.below(kinds.length)] ?? ['nothing', () => undefined];
  const failing =
    random.below(3) > 0 ? [] : Array.from({ length: ITERATIONS }, (_, i) => i + 1).filter(() => random.below(2) === 0);
  return {
    name: `${name} at event ${String(at)}${failing.length > 0 ? ` and failed writes at ${failing.join(', ')}` : ''}`,
    faults: [atEvent(at, act), ...(failing.length > 0 ? [writeFails(failing)] : [])],
    losesWrites: failing.length > 0,
  };
}

/** Acts at an event by its place in the run, whichever it is. */
function atEvent(place: number, act: (run: TestRun) => void): Fault {
  return (made) => {
    let seen = 0;
    for (const { name } of made.run.bus.events.list()) {
      made.run.bus.listen({ plugin: 'fuzz', event: name as Parameters<typeof made.run.on>[0], critical: true }, () => {
        if (seen++ === place) act(made);
      });
    }
  };
}
