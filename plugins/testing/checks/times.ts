import { AssertionError } from 'node:assert';
import type { EventName, Registration } from '../../../core/index.js';
import { testRun, type TestRunOptions } from '../run/test-run.js';

/** How long a plugin's listeners of one event take, in milliseconds, without other plugins' listeners that they call. */
export interface EventTime {
  readonly event: EventName;
  readonly times: number;
  readonly median: number;
  readonly worst: number;
}

export interface EventTimes {
  /** By event, the largest median first. */
  readonly events: readonly EventTime[];
  /** An iteration from `iteration:start` to `iteration:end`, without the plugin; median in milliseconds. */
  readonly step: number;
}

/** Iterations to train before measuring. */
const WARM_UP = 3;

/** Measures how long a plugin's listeners take in a run of the tiny model, by event. */
export async function eventTimes(plugin: string, options: TestRunOptions = {}): Promise<EventTimes> {
  await using made = await testRun({ iterations: 30, ...options });
  const { bus, state } = made.run;
  const times = new Map<EventName, number[]>();
  const steps: number[] = [];
  const running: { readonly registration: Registration; readonly from: number; others: number }[] = [];
  let own = 0;
  let from = 0;
  const remove = bus.spy({
    beforeEvent(event) {
      if (event !== 'iteration:start') return;
      [from, own] = [performance.now(), 0];
    },
    before(registration) {
      running.push({ registration, from: performance.now(), others: 0 });
    },
    after(registration) {
      const index = running.findLastIndex((each) => each.registration === registration);
      const [ended] = index < 0 ? [] : running.splice(index, 1);
      if (ended === undefined) return;
      const all = performance.now() - ended.from;
      const above = running.at(-1);
      if (above !== undefined) above.others += all;
      if (registration.plugin !== plugin) return;
      own += all - ended.others;
      if (state.iteration >= WARM_UP) timesOf(times, registration.event).push(all - ended.others);
    },
    afterEvent(event) {
      if (event === 'iteration:end' && state.iteration > WARM_UP) steps.push(performance.now() - from - own);
    },
  });
  try {
    await made.train();
  } finally {
    remove();
  }
  const events = [...times].map(([event, all]) => ({
    event,
    times: all.length,
    median: medianOf(all),
    worst: Math.max(...all),
  }));
  return { events: events.sort((a, b) => b.median - a.median), step: medianOf(steps) };
}

/** A listener fails if its median is above both limits: a multiple of the tiny model's step, and milliseconds. */
const GROSS = { steps: 50, milliseconds: 100, times: 10 };

/**
 * Checks that no listener of a plugin takes far longer than a step of the tiny model: 50 times as long and over 100 ms, at
 * an event of every iteration.
 * @throws AssertionError naming the event
 */
export async function assertQuick(plugin: string, options: TestRunOptions = {}): Promise<EventTimes> {
  const times = await eventTimes(plugin, options);
  const { events, step } = times;
  const gross = events.find(
    ({ median, times: count }) => count >= GROSS.times && median > GROSS.milliseconds && median > GROSS.steps * step,
  );
  if (gross === undefined) return times;
  const message = `${gross.event} takes ${showMilliseconds(gross.median)} (median of ${String(gross.times)}), and a step of the tiny model ${showMilliseconds(step)}: do less, less often, or in a worker thread`;
  throw new AssertionError({ message, actual: gross.median, expected: step, operator: 'strictEqual' });
}

export function showMilliseconds(milliseconds: number): string {
  return `${milliseconds.toFixed(milliseconds < 1 ? 3 : 1)} ms`;
}

function timesOf(times: Map<EventName, number[]>, event: EventName): number[] {
  const found = times.get(event) ?? [];
  times.set(event, found);
  return found;
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}
