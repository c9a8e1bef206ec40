import { spawn, type ChildProcess } from 'node:child_process';
import { exitCodeOfSignal, onSave, onStop, type SaveSignal, type StopSignal } from '../../command-line/contract.js';
import { UsageError } from '../../../core/errors.js';
import type { Launcher } from './mpirun.js';
import { LAUNCHER, thisProcess } from './launcher-alive.js';
import { ranksBelow } from './ranks-below.js';

const LOOK_AGAIN_MS = 200;

/** What is launched. */
export interface Launched {
  readonly launcher: Launcher;
  readonly args: readonly string[];
  /** The file that each rank runs, absolute. */
  readonly program: string;
  /** Ranks run on other machines, maybe on no other than those. */
  readonly isRemote: boolean;
}

/**
 * Runs an MPI launcher and returns its exit code. Signals go from here to the ranks themselves: which ones a launcher
 * passes on, and which kill it or its ranks, differs from one to the next. It runs in a process group of its own, so that
 * the terminal signals no rank twice.
 * @throws UsageError when it does not start
 */
export async function runLauncher({ launcher, args, program, isRemote }: Launched): Promise<number> {
  const child = spawn(launcher.file, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
    env: { ...process.env, [LAUNCHER]: thisProcess() },
  });
  let inPlaceOf: { asked: StopSignal; sent: NodeJS.Signals } | undefined;
  let waiting: NodeJS.Timeout | undefined;
  const toRanks = (signal: StopSignal | SaveSignal): boolean => {
    const ranks = child.pid === undefined ? [] : ranksBelow(child.pid, program);
    for (const pid of ranks) signalled(pid, signal);
    return ranks.length > 0;
  };
  const stopListening = [
    onStop((signal) => {
      if (toRanks(signal)) return;
      // Open MPI kills its ranks a second after SIGTERM; SIGUSR2 it passes on, to other machines too.
      const sent = launcher.family === 'openmpi' && isRemote && inPlaceOf === undefined ? 'SIGUSR2' : 'SIGTERM';
      inPlaceOf ??= { asked: signal, sent };
      child.kill(sent);
    }),
    onSave(() => {
      if (toRanks('SIGUSR1')) return;
      if (isRemote) child.kill('SIGUSR1');
      else
        waiting ??= setInterval(() => {
          if (toRanks('SIGUSR1')) clearInterval(waiting);
        }, LOOK_AGAIN_MS).unref();
    }),
  ];
  try {
    const { code, signal } = await ended(child, launcher.file);
    if (inPlaceOf !== undefined && (code === null || code === exitCodeOfSignal(inPlaceOf.sent))) {
      return exitCodeOfSignal(inPlaceOf.asked);
    }
    return code ?? (signal === null ? 1 : exitCodeOfSignal(signal));
  } finally {
    clearInterval(waiting);
    for (const stop of stopListening) stop();
  }
}

function ended(child: ChildProcess, file: string): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    child.on('error', (error) => {
      reject(new UsageError('ESP_MPIRUN', `${file} cannot be started: ${error.message}`, { cause: error }));
    });
    child.on('close', (code, signal) => {
      resolve({ code, signal });
    });
  });
}

function signalled(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has just ended.
  }
}
