import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { exitCodeOfSignal, mainFile, onStop, type ConfigFlags } from '../../command-line/contract.js';
import { UsageError } from '../../../core/errors.js';

/** States what the promise of equal bits covers. */
export const SCOPE =
  'The promise holds for the same engine, number of threads, precision and version of espalier, on processors that run the same kernels.';

/** `espalier train` in a child process, with an IPC channel. */
export interface Training {
  readonly process: ChildProcess;
  /** @throws UsageError with the child's error output when it fails */
  readonly ended: Promise<void>;
}

/**
 * Does work with runs in a temporary folder. Afterwards, or on a signal, ends their processes and deletes the folder.
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
  /** Whether to keep the folder. */
  keep = false;
  readonly #started: Training[] = [];

  /** @param set settings that override those of the flags */
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
    // The runs are only tests: with this variable, plugins do not send them to a server.
    env: { ...process.env, ESPALIER_REHEARSAL: '1' },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    // Sends typed arrays without converting them to JSON.
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
