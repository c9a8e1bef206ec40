import { token } from './token.js';

/** A signal that asks a process to end. */
export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGQUIT' | 'SIGXCPU' | 'SIGUSR2' | 'SIGBREAK';
export type SaveSignal = 'SIGUSR1';

/**
 * The process around a run: the command's, which hands its signals to whoever listens and ends when asked to. A program
 * that makes a run with `createRun` keeps its process to itself: nothing is handed over, and nothing ends it.
 */
export interface HostProcess {
  /** Hands over every signal that asks to end. @returns what ends listening */
  onStop(listener: (signal: StopSignal) => void): () => void;
  /** Hands over SIGUSR1. @returns what ends listening */
  onSave(listener: () => void): () => void;
  /** Whether SIGUSR1 came while nothing listened to it, since the last call. */
  takeWaitingSave(): boolean;
  /** Has a signal act as if the process had received it. */
  deliver(signal: StopSignal | SaveSignal): void;
  /** Called by the core when every plugin of the run is made: whoever wants a signal listens by now. */
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
