import { spawn, type ChildProcess } from 'node:child_process';
import { exitCodeOfSignal, onSave, onStop, type SaveSignal, type StopSignal } from '../../command-line/contract.js';
import { UsageError } from '../../../core/errors.js';
import type { Launcher } from './mpirun.js';
import { LAUNCHER, thisProcess } from './launcher-alive.js';
import { ranksBelow } from './ranks-below.js';

const LOOK_AGAIN_MS = 200;

/** What to launch. */
export interface Launched {
  readonly launcher: Launcher;
  readonly args: readonly string[];
  /** Absolute path of the file that each rank runs. */
  readonly program: string;
  /** True if ranks run on other machines, possibly only there. */
  readonly isRemote: boolean;
}

/**
 * Runs an MPI launcher and returns its exit code. Signals are sent from here directly to the ranks, since launchers
 * differ in which signals they pass on and which kill them or their ranks. The launcher runs in its own process group,
 * so that the terminal does not signal ranks a second time.
 * @throws UsageError if it cannot be started
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
      // Open MPI kills its ranks a second after SIGTERM, but passes on SIGUSR2, also to other machines.
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
    // The rank has just ended.
  }
}
