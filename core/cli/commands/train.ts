import { Option, type Command } from 'commander';
import type { CommandDefinition, CommandHooks, SetExitCode } from '../../command.js';
import { UsageError } from '../../errors.js';
import { Logger } from '../../logger.js';
import { createRun } from '../../run/create.js';
import type { Run } from '../../run/run.js';
import { commandProcess, serveHangup } from '../../signals/signals.js';
import { dryRun } from '../dry-run.js';
import { withAdvice } from '../go-on.js';
import { listOption, requestOf, wholeFrom, withConfigFlags, type ConfigFlags } from '../options.js';

interface TrainFlags extends ConfigFlags {
  resume?: boolean | string;
  override: string[];
  resumeDrop: string[];
  stopAfter?: number;
  dryRun?: boolean;
  json?: boolean;
  force?: boolean;
}

export const command: CommandDefinition = { order: 30, define, aka: { fit: 'train', resume: 'train --resume' } };

function define(command: Command, setExitCode: SetExitCode, hooks: readonly CommandHooks[]): void {
  command
    .description('train a model')
    // `train book` and `train mine.yaml` are too many arguments, without a word of what takes them.
    .showHelpAfterError('(--preset names a preset, --config a config file; --help shows the options)');
  withConfigFlags(command)
    .option(
      '--resume [run]',
      'go on from the newest checkpoint of the run’s folder, or of the run or checkpoint that is named',
    )
    .addOption(listOption('--override <key>', 'on --resume: take this setting of now, whatever gave it; repeatable'))
    .addOption(listOption('--resume-drop <plugin>', 'on --resume: let this plugin start afresh; repeatable'))
    .addOption(
      new Option('--force', 'start over in a run folder that holds checkpoints, which are deleted').conflicts('resume'),
    )
    .option('--stop-after <iterations>', 'stop after so many iterations, with a checkpoint', wholeFrom(1))
    .option('--dry-run', 'build everything, run nothing, and print what would run')
    .option('--json', 'print JSON, with --dry-run and other options that print facts')
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
          '--json is for --dry-run and other options that print facts: training prints none, it writes metrics.jsonl',
        );
      }
      setExitCode(await train(flags, hooks));
    });
}

async function train(flags: TrainFlags, hooks: readonly CommandHooks[]): Promise<number> {
  const { dryRun: isDry = false, force, json = false, override, resume, resumeDrop } = flags;
  const request = hooks.reduce((made, hook) => hook.request?.(made) ?? made, requestOf(flags));
  const run = await createRun({
    ...request,
    configFile: request.configFile ?? true,
    resume,
    override,
    resumeDrop,
    force,
    dryRun: isDry,
    host: commandProcess,
  });
  const log = run.container.resolve(Logger);
  try {
    if (isDry) {
      await dryRun(run, json);
      return 0;
    }
    if (flags.stopAfter !== undefined) stopAfter(run, flags.stopAfter);
    for (const hook of hooks) await hook.ready?.(run);
    const result = await run.train().catch(async (thrown: unknown) => {
      throw await withAdvice(thrown, run);
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
