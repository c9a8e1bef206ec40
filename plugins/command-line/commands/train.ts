import type { Command } from 'commander';
import { UsageError } from '../../../core/errors.js';
import type { Run, RunRequest, StartOptions } from '../../../core/runs.js';
import { commandProcess, serveHangup } from '../../signals/contract.js';
import type { CommandDefinition, CommandHooks, SetExitCode } from '../shell/definition.js';
import { requestOf, wholeFrom, withConfigFlags, type ConfigFlags } from '../shell/options.js';

interface TrainFlags extends ConfigFlags {
  stopAfter?: number;
  dryRun?: boolean;
  json?: boolean;
}

export const command: CommandDefinition = { order: 30, define, aka: { fit: 'train', resume: 'train --resume' } };

function define(command: Command, setExitCode: SetExitCode, hooks: readonly CommandHooks[]): void {
  command
    .description('train a model')
    // For `train book` and `train mine.yaml`, "too many arguments" alone would not help.
    .showHelpAfterError('(--preset names a preset, --config a config file; --help shows the options)');
  withConfigFlags(command)
    .option('--stop-after <iterations>', 'stop after this many iterations, with a checkpoint', wholeFrom(1))
    .option('--dry-run', 'build everything and print what would run, without training')
    .option('--json', 'print JSON; needs --dry-run or another reporting option')
    .action(async (flags: TrainFlags) => {
      for (const hook of hooks) {
        const replacing = hook.replace?.();
        if (replacing === undefined) continue;
        serveHangup();
        setExitCode(await replacing);
        return;
      }
      if (flags.json === true && flags.dryRun !== true) {
        throw new UsageError(
          'ESP_USAGE',
          '--json needs --dry-run or another reporting option: training prints no JSON, but writes metrics.jsonl',
        );
      }
      setExitCode(await train(flags, hooks));
    });
}

async function train(flags: TrainFlags, hooks: readonly CommandHooks[]): Promise<number> {
  const { dryRun: isDry = false, json = false } = flags;
  const request = hooks.reduce<RunRequest & StartOptions>(
    (made, hook) => hook.request?.(made) ?? made,
    requestOf(flags),
  );
  const { createRun, Logger } = await import('../../../core/index.js');
  const run = await createRun({
    ...request,
    configFile: request.configFile ?? true,
    dryRun: isDry,
    host: commandProcess,
  });
  const log = run.container.resolve(Logger);
  try {
    if (isDry) {
      const { dryRun } = await import('../printing/dry-run.js');
      await dryRun(run, json);
      return 0;
    }
    if (flags.stopAfter !== undefined) stopAfter(run, flags.stopAfter);
    for (const hook of hooks) await hook.ready?.(run);
    const result = await run.train().catch(async (thrown: unknown) => {
      let shown = thrown;
      for (const hook of hooks) if (hook.failed !== undefined) shown = await hook.failed(run, shown);
      throw shown;
    });
    const why = result.reasons.length === 0 ? '' : `: ${result.reasons.join('; ')}`;
    log.info(`${result.status}${why} after ${String(result.iteration)} iterations; the run is in ${run.folder.shown}`);
    for (const hook of hooks) await hook.ended?.(run, result);
    return result.exitCode;
  } finally {
    await run.dispose();
  }
}

function stopAfter(run: Run, iterations: number): void {
  const last = run.state.iteration + iterations;
  run.on('iteration:end', ({ iteration }) => {
    if (iteration + 1 !== last || run.control.goingBack) return;
    run.stop(`--stop-after ${String(iterations)}`);
    run.control.requestCheckpoint('latest');
  });
}
