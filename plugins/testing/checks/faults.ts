import { tf, type EventName, type SaveSignal, type StopSignal } from '../../../core/index.js';
import type { Fault, TestRun } from '../run/test-run.js';

/** A point in a run. */
export interface Moment {
  readonly event: EventName;
  /** Number of iterations done; default: any. */
  readonly at?: number;
  /** Which occurrence of the event there, from 1; default: the first. */
  readonly nth?: number;
}

/** Calls `act` once, at a given point, after the plugins' listeners. */
export function onceAt({ event, at, nth = 1 }: Moment, act: (run: TestRun) => void, plugin = 'test'): Fault {
  return (made) => {
    let seen = 0;
    made.run.bus.listen({ plugin, event, critical: true }, () => {
      if (at !== undefined && made.run.state.iteration !== at) return;
      if (++seen === nth) act(made);
    });
  };
}

/** Makes a listener of plugin `test` throw, which ends the run as for any critical plugin. */
export function listenerThrows(moment: Moment, error: Error = new Error('thrown by a test')): Fault {
  return onceAt(moment, () => {
    throw error;
  });
}

/** Sends a signal to the process, which the `signals` plugin handles. */
export function signalArrives(moment: Moment, signal: StopSignal | SaveSignal = 'SIGTERM'): Fault {
  return onceAt(moment, ({ process }) => {
    process.deliver(signal);
  });
}

/** Sets every gradient, or that of one weight, to NaN in one iteration. */
export function nanGradients({ iteration, weight }: { readonly iteration: number; readonly weight?: string }): Fault {
  return ({ run }) => {
    run.bus.listen({ plugin: 'test', event: 'gradients:ready', critical: true }, (ready) => {
      if (ready.iteration !== iteration) return;
      for (const [name, gradient] of ready.gradients) {
        if (weight !== undefined && weight !== name) continue;
        ready.gradients.set(name, tf.fill(gradient.shape, NaN));
        gradient.dispose();
      }
    });
  };
}

/** Makes writing fail for the checkpoints of these iterations, or all; only for runs without a folder. */
export function writeFails(iterations?: readonly number[]): Fault {
  return ({ checkpoints }) => {
    checkpoints.failWrites((name) => iterations?.includes(parseInt(name, 10)) ?? true);
  };
}

/** Ends the parts of a run one after another, each at an event at which no earlier part ended. */
export interface EndingAtEvents {
  readonly seen: readonly EventName[];
  /** The event that ended the newest part; undefined if none did. */
  readonly last: EventName | undefined;
  /** The fault of the next part. */
  fault(): Fault;
}

/**
 * Acts once in each run that gets its fault, at the first event at which it has not acted before. Skips events of a run
 * that is already stopping, and events published by plugins that are not critical: their errors do not end a run.
 * @param only act at this event only
 */
export function atEachEvent(act: (made: TestRun) => void, only?: EventName): EndingAtEvents {
  const seen: EventName[] = [];
  let last: EventName | undefined;
  const fault: Fault = (made) => {
    const { bus, control } = made.run;
    last = undefined;
    for (const each of bus.events.list()) {
      const event = each.name as EventName;
      bus.listen({ plugin: 'test', event, critical: true }, () => {
        if (last !== undefined || seen.includes(event) || (only !== undefined && only !== event)) return;
        if (control.stopping || bus.running.some(({ critical }) => !critical)) return;
        seen.push(event);
        last = event;
        act(made);
      });
    }
  };
  return {
    seen,
    get last() {
      return last;
    },
    fault: () => fault,
  };
}
