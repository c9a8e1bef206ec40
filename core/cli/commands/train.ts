import { existsSync } from 'node:fs';
import path from 'node:path';
import { Option, type Command } from 'commander';
import type { CommandDefinition, CommandHooks, SetExitCode } from '../../command.js';
import { findCheckpoint } from '../../checkpoint/find.js';
import { readCheckpoint } from '../../checkpoint/read.js';
import { isSection, type ComposedConfig } from '../../config/composed.js';
import { composeConfig } from '../../config/load.js';
import { toldAt } from '../../config/findings.js';
import { Ranks } from '../../contracts/ranks.js';
import type { PretrainedModel } from '../../contracts/weights.js';
import { UsageError } from '../../errors.js';
import { Logger } from '../../logger.js';
import { configChanges, tellChanges, withChanges } from '../../resume/changes.js';
import { staysEnded } from '../../resume/ending.js';
import { findResumePoint, type ResumePoint } from '../../resume/find.js';
import { storedConfig } from '../../resume/stored-config.js';
import { createRunFrom, type CreatedRun, type RunRequest } from '../../run/create.js';
import { findPretrained } from '../../run/pretrained.js';
import type { Run } from '../../run/run.js';
import { serveHangup } from '../../signals/signals.js';
import { dryRun } from '../dry-run.js';
import { withAdvice } from '../go-on.js';
import { newestRun } from '../newest-run.js';
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

export const command: CommandDefinition = { order: 30, define };

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
  const request = hooks.reduce((made, hook) => hook.request?.(made) ?? made, requestOf(flags));
  const started = await claimed(request, flags);
  const { run } = started.created;
  const log = run.container.resolve(Logger);
  const { resumed } = started;
  try {
    if (resumed !== undefined) {
      const { checkpoint, isAlone } = resumed;
      run.restore(checkpoint, { drop: flags.resumeDrop, staysEnded: started.staysEnded });
      log.info(`resuming from ${checkpoint.path} at iteration ${String(run.state.iteration)}`);
      if (isAlone)
        log.info(`this checkpoint is not in the folder of its run: the run continues in ${run.folder.shown}`);
      if (started.staysEnded === true) log.info(stillEnded(run));
    } else await bringWeights(started, request.cwd);
    if (flags.dryRun === true) {
      await dryRun(started.created, flags.json ?? false);
      return 0;
    }
    if (flags.force === true) startOver(run);
    if (flags.stopAfter !== undefined) stopAfter(run, flags.stopAfter);
    for (const hook of hooks) await hook.ready?.(run);
    const result = await run.train(resumed?.checkpoint.path).catch(async (thrown: unknown) => {
      throw await withAdvice(thrown, run);
    });
    const why = result.reasons.length === 0 ? '' : `: ${result.reasons.join('; ')}`;
    log.info(
      `${result.status}${why} after ${String(run.state.iteration)} iterations; the run is in ${run.folder.shown}`,
    );
    for (const hook of hooks) await hook.ended?.(run, result);
    return result.exitCode;
  } finally {
    await run.dispose();
  }
}

/**
 * A run that is set up and has its folder. What it resumes from is decided without the folder where that does not exist
 * yet, or where it is not known which rank this is: it is decided again when another process has trained there meanwhile.
 */
async function claimed(request: RunRequest, flags: TrainFlags): Promise<Started> {
  for (let attempt = 1; ; attempt++) {
    const started = await startingPoint(request, flags);
    if (attempt === 1) serveHangup();
    const { run } = started.created;
    const claim = async (): Promise<boolean> => {
      await run.folder.claim((line) => {
        run.container.resolve(Logger).warn(line);
      });
      return !run.folder.isClaimed || !(await hasChanged(started, flags));
    };
    try {
      if (flags.dryRun === true) {
        await run.folder.refuseClaimed();
        await refuseUsed(started, flags);
        await run.setUp();
        return started;
      }
      const exists = existsSync(run.folder.path);
      if (!exists || (await claim())) {
        await refuseUsed(started, flags);
        await run.setUp();
        if (exists || (await claim())) return started;
      }
      const { size } = run.container.resolve(Ranks);
      if (size > 1 || attempt === ATTEMPTS) throw overtaken(run);
    } catch (thrown) {
      await run.dispose();
      throw thrown;
    }
    await run.dispose();
  }
}

const ATTEMPTS = 3;

/** Whether there is something else to resume from than when it was decided. */
async function hasChanged(started: Started, { force }: TrainFlags): Promise<boolean> {
  const { run, composed } = started.created;
  if (started.resumed !== undefined && isWithin(started.resumed, run)) return !(await started.resumed.isNewest());
  const { resume = 'never' } = composed.value;
  return force !== true && resume !== 'never' && (await run.folder.isUsed());
}

/** Nothing is started anew, or continued from elsewhere, where a run's checkpoints are. */
async function refuseUsed({ resumed, created: { run } }: Started, { force }: TrainFlags): Promise<void> {
  if (force !== true && (resumed === undefined || !isWithin(resumed, run))) await run.folder.refuseUsed();
}

function isWithin({ checkpoint }: ResumePoint, run: Run): boolean {
  return path.dirname(checkpoint.path) === run.folder.checkpoints;
}

function overtaken({ folder }: Run): UsageError {
  return new UsageError(
    'ESP_RUN_FOLDER_LOCKED',
    `another process trained in ${folder.shown} while this one started: start again, and it resumes from what is there now`,
  );
}

/** A run that is made, with what it goes on from or starts with. */
interface Started {
  readonly created: CreatedRun;
  readonly resumed?: ResumePoint;
  /** A plugin ended the run, and nobody asked to train it further. */
  readonly staysEnded?: boolean;
  /** The pretrained model that `init` names. */
  readonly pretrained?: PretrainedModel;
}

async function startingPoint(request: RunRequest, flags: TrainFlags): Promise<Started> {
  const { cwd } = request;
  const say = (level: 'info' | 'warn', line: string): void => request.terminal?.line(line, level);
  const composed = await composeConfig({
    cwd,
    presets: [...(request.presets ?? [])],
    set: [...(request.set ?? [])],
    configFile: request.configFile,
  });
  if (flags.force === true && composed.value['init'] === 'resume') {
    throw new UsageError('ESP_USAGE', '--force starts over, and init: resume goes on: leave one of them out');
  }
  const log = (line: string): void => {
    say('warn', line);
  };
  const newest = (): string => newestRun(cwd);
  const asked = { cwd, resume: flags.resume, newest, log };
  // `resume: auto` goes on only where it is not told to start over.
  const point = flags.force === true ? undefined : await findResumePoint(composed, asked);
  if (point === undefined) {
    refuseAlone('--override', flags.override);
    refuseAlone('--resume-drop', flags.resumeDrop);
    return startAnew(composed, request);
  }
  const { checkpoint, folder } = point;
  const { given } = checkpoint.state;
  const config = storedConfig(checkpoint, cwd);
  const changes = configChanges(config, given, composed, flags.override).filter(
    ({ path: [first, second] }) => folder === undefined || first !== 'run' || second !== 'dir',
  );
  const merged = withChanges(config, checkpoint.path, composed, changes);
  const placed = folder === undefined ? merged : placedIn(merged, folder);
  const created = await createRunFrom(placed, request);
  tellChanges(changes, created.plugins, say);
  // `--resume`, or the checkpoint of another run, asks to train further.
  const isAutomatic = flags.resume === undefined && composed.value['init'] !== 'resume';
  const stays = isAutomatic && isWithin(point, created.run) && staysEnded(checkpoint, changes, created.plugins);
  return { created, resumed: point, staysEnded: stays };
}

async function startAnew(composed: ComposedConfig, request: RunRequest): Promise<Started> {
  const { cwd, terminal } = request;
  const download = (line: string): void => terminal?.line(line);
  const { composed: whole, model: pretrained } = await findPretrained(composed, { cwd, download });
  const created = await createRunFrom(whole, request);
  return pretrained === undefined ? { created } : { created, pretrained };
}

/** Weights alone, from a pretrained model or a checkpoint, as `init` says. */
async function bringWeights({ created: { run, composed }, pretrained }: Started, cwd: string): Promise<void> {
  const { init } = run.config;
  if (init === 'scratch') return;
  const log = run.container.resolve(Logger);
  if (pretrained !== undefined) {
    const weights = await pretrained.read(run.model);
    for (const note of weights.notes) log.info(`weights of ${weights.path}: ${note}`);
    run.loadWeights(weights);
    log.info(`weights from ${weights.path}`);
    return;
  }
  const warn = (line: string): void => {
    log.warn(line);
  };
  const checkpoint = await toldAt(['init'], composed, async () =>
    readCheckpoint(await findCheckpoint(init, cwd, warn)),
  );
  run.loadWeights(checkpoint);
  log.info(`weights from ${checkpoint.path}`);
}

/** The run goes on in the folder that was named, whatever it was called when the checkpoint was made. */
function placedIn(composed: ComposedConfig, folder: string): ComposedConfig {
  const { run } = composed.value;
  return { ...composed, value: { ...composed.value, run: { ...(isSection(run) ? run : {}), dir: folder } } };
}

function stillEnded({ state }: Run): string {
  const { reason = '', plugin = null } = state.ending ?? {};
  const options = plugin === null ? '' : ` or an option of plugin ${plugin}`;
  return `the run has ended (${reason}) and resume: auto trains it no further; --resume does, and so does a change of train.max_iters${options}`;
}

/** Listens last: a run that fails while it starts has not deleted the checkpoints of the run before. */
function startOver(run: Run): void {
  run.bus.listen({ plugin: 'core', event: 'run:start', critical: true }, () => run.folder.startOver());
}

function stopAfter(run: Run, iterations: number): void {
  const last = run.state.iteration + iterations;
  run.bus.listen({ plugin: 'core', event: 'iteration:end', critical: true }, ({ iteration }) => {
    if (iteration + 1 !== last || run.control.goingBack) return;
    run.control.requestPause(`--stop-after ${String(iterations)}`);
    run.control.requestCheckpoint('latest');
  });
}

function refuseAlone(flag: string, given: readonly string[]): void {
  if (given.length === 0) return;
  throw new UsageError('ESP_USAGE', `${flag} is for a run that goes on: add --resume, or use --set`);
}
