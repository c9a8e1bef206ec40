import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { exitCodeOfSignal, mainFile, onStop, type ConfigFlags } from '../../command-line/contract.js';
import { UsageError } from '../../../core/errors.js';

/** What is promised to be the same, bit for bit. */
export const SCOPE =
  'The promise holds for the same engine, number of threads, precision and version of espalier, on processors that run the same kernels.';

/** `espalier train` in a process of its own, which can be talked to. */
export interface Training {
  readonly process: ChildProcess;
  /** @throws UsageError with what it said when it does not end well */
  readonly ended: Promise<void>;
}

/**
 * Runs that are only compared, in a temporary folder.
 * When the work is over, or a signal ends it, their processes are gone and so is the folder.
 */
export async function comparingRuns<T>(work: (runs: ComparedRuns) => Promise<T>): Promise<T> {
  const runs = new ComparedRuns();
  const stopListening = onStop((signal) => {
    void runs.end().finally(() => process.exit(exitCodeOfSignal(signal)));
  });
  try {
    return await work(runs);
  } finally {
    stopListening();
    await runs.end();
  }
}

export class ComparedRuns {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'espalier-verify-'));
  /** Leaves the folder where it is. */
  keep = false;
  readonly #started: Training[] = [];

  /** @param set settings over those of the flags */
  start(flags: ConfigFlags, set: readonly string[], more: readonly string[] = []): Training {
    const training = startTraining(flags, set, more);
    this.#started.push(training);
    return training;
  }

  async end(): Promise<void> {
    for (const { process } of this.#started) process.kill('SIGKILL');
    await Promise.allSettled(this.#started.map(({ ended }) => ended));
    if (!this.keep) rmSync(this.folder, { recursive: true, force: true });
  }
}

function startTraining(flags: ConfigFlags, set: readonly string[], more: readonly string[]): Training {
  const args = [
    ...flags.preset.flatMap((preset) => ['--preset', preset]),
    ...[...flags.set, ...set].flatMap((setting) => ['--set', setting]),
    ...(flags.config === undefined ? [] : ['--config', flags.config]),
    '--quiet',
    ...more,
  ];
  const child = spawn(process.execPath, [mainFile, 'train', ...args], {
    // These runs are the command's, not the user's: plugins send nothing of them to a server.
    env: { ...process.env, ESPALIER_REHEARSAL: '1' },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    // Typed arrays are sent as they are.
    serialization: 'advanced',
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (piece: string) => (said += piece));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve)).then((code) => {
    if (code === 0) return;
    throw new UsageError(
      'ESP_VERIFY_RUN',
      `\`${['espalier train', ...more].join(' ')}\` ended with exit code ${String(code)}: ${said.trim()}`,
    );
  });
  return { process: child, ended };
}
