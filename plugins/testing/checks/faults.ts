import { tf, type EventName, type SaveSignal, type StopSignal } from '../../../core/index.js';
import type { Fault, TestRun } from '../run/test-run.js';

/** A moment of a run. */
export interface Moment {
  readonly event: EventName;
  /** Iterations done then; any when not given. */
  readonly at?: number;
  /** Which time that the event fires there, from 1; the first when not given. */
  readonly nth?: number;
}

/** Calls `act` once, at a moment, after the plugins' listeners. */
export function onceAt({ event, at, nth = 1 }: Moment, act: (run: TestRun) => void, plugin = 'test'): Fault {
  return (made) => {
    let seen = 0;
    made.run.bus.listen({ plugin, event, critical: true }, () => {
      if (at !== undefined && made.run.state.iteration !== at) return;
      if (++seen === nth) act(made);
    });
  };
}

/** A listener of plugin `test` throws, which ends the run as a critical plugin's does. */
export function listenerThrows(moment: Moment, error: Error = new Error('thrown by a test')): Fault {
  return onceAt(moment, () => {
    throw error;
  });
}

/** The process gets a signal, which the `signals` plugin serves. */
export function signalArrives(moment: Moment, signal: StopSignal | SaveSignal = 'SIGTERM'): Fault {
  return onceAt(moment, ({ process }) => {
    process.deliver(signal);
  });
}

/** Every gradient, or that of one weight, is NaN in the iteration with that number. */
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

/** Checkpoints of these iterations cannot be written, or all; only for runs without a folder. */
export function writeFails(iterations?: readonly number[]): Fault {
  return ({ checkpoints }) => {
    checkpoints.failWrites((name) => iterations?.includes(parseInt(name, 10)) ?? true);
  };
}
