import { constants } from 'node:os';
import type { HostProcess, SaveSignal, StopSignal } from '../../../core/index.js';

const ALL: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGXCPU', 'SIGUSR2', 'SIGBREAK'];
const SAVE: SaveSignal = 'SIGUSR1';
const EXIT_CODE_OF_SIGNALS = 128;

/** The stop signals that this system has: Windows lacks most, and is the only one with SIGBREAK. */
export const stopSignals: readonly StopSignal[] = ALL.filter((signal) => Object.hasOwn(constants.signals, signal));

/** Returns the exit code of a process that a signal ends: 128 + its number, the convention of shells and schedulers. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return EXIT_CODE_OF_SIGNALS + constants.signals[signal];
}

const stopListeners = new Set<(signal: StopSignal) => void>();
const saveListeners = new Set<() => void>();
/** Whether the process is a command, which handles signals even while nothing listens. */
let isCommand = false;
let isListening = false;
let isSaveWaiting = false;
let hangup: 'served' | 'held' | 'waiting' = 'served';

/**
 * Starts handling signals; called once when a command starts. Unless something listens, a stop signal then ends the
 * process with its exit code. SIGUSR1, which would start Node's debugger, waits for a run.
 */
export function handleSignals(): void {
  isCommand = true;
  listen();
}

/** Holds SIGHUP back until `serveHangup`, because the config says whether it stops the run. */
export function holdHangup(): void {
  hangup = 'held';
}

/** Handles SIGHUP like any other stop signal, including one received since `holdHangup`. */
export function serveHangup(): void {
  const came = hangup === 'waiting';
  hangup = 'served';
  if (came) deliver('SIGHUP');
}

/**
 * Listens to all stop signals.
 * @returns a function that stops listening
 */
export function onStop(listener: (signal: StopSignal) => void): () => void {
  return added(stopListeners, listener);
}

/** Listens to SIGUSR1. @returns a function that stops listening */
export function onSave(listener: () => void): () => void {
  return added(saveListeners, listener);
}

/** Returns whether SIGUSR1 was received while nothing listened, since the last call. */
export function takeWaitingSave(): boolean {
  const came = isSaveWaiting;
  isSaveWaiting = false;
  return came;
}

/** Acts as if this process had received the signal. */
export function deliver(signal: StopSignal | SaveSignal): void {
  if (signal === SAVE) {
    if (saveListeners.size === 0) isSaveWaiting = true;
    for (const listener of [...saveListeners]) listener();
    return;
  }
  if (signal === 'SIGHUP' && hangup !== 'served') {
    hangup = 'waiting';
    return;
  }
  if (stopListeners.size === 0) process.exit(exitCodeOfSignal(signal));
  for (const listener of [...stopListeners]) listener(signal);
}

/** The process of a command, as the run that it trains sees it. */
export const commandProcess: HostProcess = {
  onStop,
  onSave,
  takeWaitingSave,
  deliver,
  pluginsMade: serveHangup,
  exit: (code) => process.exit(code),
};

function added<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener);
  listen();
  return () => {
    listeners.delete(listener);
    if (!isCommand && stopListeners.size + saveListeners.size === 0) stopListening();
  };
}

const handlers = [...stopSignals, ...(Object.hasOwn(constants.signals, SAVE) ? [SAVE] : [])].map((signal) => ({
  signal,
  handle: () => {
    deliver(signal);
  },
}));

function listen(): void {
  if (isListening) return;
  isListening = true;
  for (const { signal, handle } of handlers) process.on(signal, handle);
}

function stopListening(): void {
  isListening = false;
  for (const { signal, handle } of handlers) process.off(signal, handle);
}
