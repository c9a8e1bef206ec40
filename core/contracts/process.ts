import { token } from './token.js';

/** A signal that asks the process to end. */
export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGQUIT' | 'SIGXCPU' | 'SIGUSR2' | 'SIGBREAK';
export type SaveSignal = 'SIGUSR1';

/**
 * The process that a run is in. The command passes its signals on to listeners and ends when asked to. A program that
 * uses `createRun` keeps control of its process: no signal is passed on, and nothing ends it.
 */
export interface HostProcess {
  /** Calls the listener for every signal that asks the process to end. @returns a function that stops listening */
  onStop(listener: (signal: StopSignal) => void): () => void;
  /** Calls the listener for SIGUSR1. @returns a function that stops listening */
  onSave(listener: () => void): () => void;
  /** Returns whether SIGUSR1 arrived since the last call while nobody listened. */
  takeWaitingSave(): boolean;
  /** Behaves as if the process had received the signal. */
  deliver(signal: StopSignal | SaveSignal): void;
  /** Called by the core when every plugin of the run is made, and so has added its listeners. */
  pluginsMade(): void;
  /** Ends the process at once. */
  exit(code: number): void;
}
export const HostProcess = token<HostProcess>('HostProcess');

/** What the core binds for a run that a program makes. */
export const foreignProcess: HostProcess = {
  onStop: () => () => undefined,
  onSave: () => () => undefined,
  takeWaitingSave: () => false,
  deliver: () => undefined,
  pluginsMade: () => undefined,
  exit: () => undefined,
};
