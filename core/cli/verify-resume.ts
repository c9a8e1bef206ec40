import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { UsageError } from '../errors.js';
import { compareRuns } from '../resume/compare.js';
import { print, withConfigFlags, wholeFrom, type ConfigFlags, type SetExitCode } from './options.js';

interface VerifyFlags extends ConfigFlags {
  iters: number;
  json?: boolean;
  keep?: boolean;
}

const EXIT_FAILED = 1;
const SCOPE =
  'The promise holds for the same engine, number of threads, precision and version of espalier, on processors that run the same kernels.';

export function verifyResumeCommand(program: Command, setExitCode: SetExitCode): void {
  const command = program
    .command('verify-resume')
    .description('check that a run that is stopped and resumed is the run that was not, bit for bit');
  withConfigFlags(command)
    .option('-n, --iters <count>', 'iterations before the stop, and after it', wholeFrom(1), 10)
    .option('--keep', 'leave the two runs where they are, and say where')
    .option('--json', 'print JSON')
    .action(async (flags: VerifyFlags) => {
      const folder = mkdtempSync(path.join(tmpdir(), 'espalier-verify-'));
      try {
        const runs = [path.join(folder, 'whole'), path.join(folder, 'parts')] as const;
        const { iters } = flags;
        const say = (line: string): void => {
          if (flags.quiet !== true && flags.json !== true) console.error(line);
        };
        say(`${String(2 * iters)} iterations without a stop`);
        await train(flags, runs[0], 2 * iters, []);
        say(`${String(iters)} iterations, then ${String(iters)} more in another process`);
        await train(flags, runs[1], iters, []);
        await train(flags, runs[1], iters, ['--resume']);
        const { same, difference } = await compareRuns(runs);
        print(flags.json, { same, difference: difference ?? null, iterations: iters, scope: SCOPE }, () =>
          [
            ...same.map((what) => `the same: ${what}`),
            difference === undefined ? 'The resumed run is the same run, bit for bit.' : `DIFFERENT: ${difference}`,
            SCOPE,
          ].join('\n'),
        );
        if (flags.keep === true) console.error(`the runs are in ${folder}`);
        if (difference !== undefined) setExitCode(EXIT_FAILED);
      } finally {
        if (flags.keep !== true) rmSync(folder, { recursive: true, force: true });
      }
    });
}

/** `espalier train` in a process of its own. @throws UsageError with what it said when it does not end well */
async function train(flags: VerifyFlags, folder: string, iterations: number, more: readonly string[]): Promise<void> {
  const set = [
    ...flags.set,
    `run.dir=${JSON.stringify(folder)}`,
    'plugins.batch-digest={}',
    'plugins.checkpoint={}',
    'plugins.training-metrics.interval=1',
  ];
  const args = [
    ...flags.preset.flatMap((preset) => ['--preset', preset]),
    ...set.flatMap((setting) => ['--set', setting]),
    ...(flags.config === undefined ? [] : ['--config', flags.config]),
    '--quiet',
    '--stop-after',
    String(iterations),
    ...more,
  ];
  const main = fileURLToPath(new URL('main.js', import.meta.url));
  const child = spawn(process.execPath, [main, 'train', ...args], {
    // These runs are the command's, not the user's: plugins send nothing of them to a server.
    env: { ...process.env, ESPALIER_REHEARSAL: '1' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (said += piece));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  if (code === 0) return;
  throw new UsageError(
    'ESP_VERIFY_RUN',
    `verify-resume: \`espalier train ${more.join(' ')}\` ended with exit code ${String(code)}: ${said.trim()}`,
  );
}
