import { constants } from 'node:os';
import type { HostProcess, SaveSignal, StopSignal } from '../../../core/index.js';

const ALL: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGXCPU', 'SIGUSR2', 'SIGBREAK'];
const SAVE: SaveSignal = 'SIGUSR1';
const EXIT_CODE_OF_SIGNALS = 128;

/** Those that this system has: Windows lacks most, and alone has SIGBREAK. */
export const stopSignals: readonly StopSignal[] = ALL.filter((signal) => Object.hasOwn(constants.signals, signal));

/** What a process exits with that a signal ends: 128 + its number, as shells and schedulers know it. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return EXIT_CODE_OF_SIGNALS + constants.signals[signal];
}

const stopListeners = new Set<(signal: StopSignal) => void>();
const saveListeners = new Set<() => void>();
/** The process is a command: it handles signals itself, also while nothing listens. */
let isCommand = false;
let isListening = false;
let isSaveWaiting = false;
let hangup: 'served' | 'held' | 'waiting' = 'served';

/**
 * For the command's entry: from now on a stop signal ends the process with its exit code unless someone listens, and
 * SIGUSR1, which Node takes for a debugger's, waits for a run.
 */
export function handleSignals(): void {
  isCommand = true;
  listen();
}

/** Until `serveHangup`, SIGHUP waits: whether it stops the run is in the config. */
export function holdHangup(): void {
  hangup = 'held';
}

/** Serves SIGHUP as any other stop signal, and the one that came since `holdHangup`. */
export function serveHangup(): void {
  const came = hangup === 'waiting';
  hangup = 'served';
  if (came) deliver('SIGHUP');
}

/**
 * Listens to every stop signal that the system has.
 * @returns what ends listening
 */
export function onStop(listener: (signal: StopSignal) => void): () => void {
  return added(stopListeners, listener);
}

/** Listens to SIGUSR1. @returns what ends listening */
export function onSave(listener: () => void): () => void {
  return added(saveListeners, listener);
}

/** Whether SIGUSR1 came while nothing listened to it, since the last call. */
export function takeWaitingSave(): boolean {
  const came = isSaveWaiting;
  isSaveWaiting = false;
  return came;
}

/** Has a signal act as if this process had received it. */
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

/** The process of a command, for the run that it trains. */
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
