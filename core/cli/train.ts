import { existsSync } from 'node:fs';
import { Option, type Command } from 'commander';
import { findCheckpoint } from '../checkpoint/find.js';
import { readCheckpoint } from '../checkpoint/read.js';
import { findPretrained, pretrainedSettings, readPretrained } from '../checkpoint/pretrained.js';
import { composeConfig } from '../config/load.js';
import { UsageError } from '../errors.js';
import { Logger } from '../logger.js';
import { createRun, type CreatedRun, type RunRequest } from '../run/create.js';
import { dryRun } from './dry-run.js';
import { requestOf, withConfigFlags, type ConfigFlags, type SetExitCode } from './options.js';
import { sampleFrom } from './sample.js';

interface TrainFlags extends ConfigFlags {
  resume?: boolean;
  dryRun?: boolean;
  json?: boolean;
  sample?: boolean;
  force?: boolean;
}

export function trainCommand(program: Command, setExitCode: SetExitCode): void {
  const command = program.command('train').description('train a model');
  withConfigFlags(command)
    .option('--resume', 'go on from the newest checkpoint of the run’s folder (the same as --set init=resume)')
    .addOption(
      new Option('--force', 'start over in a run folder that holds checkpoints, which are deleted').conflicts('resume'),
    )
    .option('--dry-run', 'build everything, run nothing, and print what would run')
    .option('--json', 'with --dry-run: print JSON')
    .option('--sample', 'end by printing a sample of what the model writes')
    .action(async (flags: TrainFlags) => {
      if (flags.json === true && flags.dryRun !== true)
        throw new UsageError('ESP_USAGE', '--json is for --dry-run: training prints no facts, it writes metrics.jsonl');
      setExitCode(await train(flags));
    });
}

async function train(flags: TrainFlags): Promise<number> {
  const request = requestOf(flags);
  const resume = flags.resume === true ? ['init=resume'] : [];
  const { pretrained, settings } = await pretrainedOf(request);
  const created = await createRun({ ...request, set: [...(request.set ?? []), ...settings, ...resume] });
  const { run } = created;
  const log = run.container.resolve(Logger);
  try {
    if (flags.dryRun === true) {
      await dryRun(created, flags.json ?? false);
      return 0;
    }
    const fresh = run.config.init !== 'resume';
    if (fresh && flags.force !== true) run.folder.refuseUsed();
    await run.setUp();
    if (existsSync(run.folder.path)) run.folder.claim();
    const resumedFrom = await initialise(created, request.cwd, pretrained);
    run.folder.claim();
    if (fresh) run.folder.startOver();
    const result = await run.train(resumedFrom);
    const why = result.reasons.length === 0 ? '' : `: ${result.reasons.join('; ')}`;
    log.info(
      `${result.status}${why} after ${String(run.state.iteration)} iterations; the run is in ${run.folder.shown}`,
    );
    if (flags.sample === true && result.status === 'done') {
      log.info('a sample of what the model writes:');
      console.log(sampleFrom(run, { tokens: 300 }));
      log.info(`more: ${commandName()} sample ${run.folder.shown}`);
    }
    return result.exitCode;
  } finally {
    await run.dispose();
  }
}

/** How the reader calls this command: npm, which sets the variable, knows where it is; their shell may not. */
function commandName(): string {
  return process.env['npm_command'] === undefined ? 'espalier' : 'npx espalier';
}

/** The pretrained model that `init` names, with the settings of its shape. */
async function pretrainedOf(request: RunRequest): Promise<{ pretrained?: string; settings: string[] }> {
  const composed = await composeConfig({
    cwd: request.cwd,
    presets: [...(request.presets ?? [])],
    set: [...(request.set ?? [])],
    configFile: request.configFile,
  });
  const { init } = composed.value;
  if (typeof init !== 'string' || init === 'scratch' || init === 'resume') return { settings: [] };
  const pretrained = await findPretrained(init, request.cwd, (line) => request.terminal?.line(line));
  return pretrained === undefined
    ? { settings: [] }
    : { pretrained, settings: await pretrainedSettings(pretrained, composed) };
}

/** Brings in weights or a whole run, as `init` says; returns the checkpoint that the run goes on from. */
async function initialise({ run }: CreatedRun, cwd: string, pretrained?: string): Promise<string | undefined> {
  const { init } = run.config;
  if (init === 'scratch') return undefined;
  const log = run.container.resolve(Logger);
  if (pretrained !== undefined && init !== 'resume') {
    run.loadWeights(await readPretrained(pretrained, run.model.blockSize));
    log.info(`weights from ${pretrained}`);
    return undefined;
  }
  const found = await findCheckpoint(init === 'resume' ? run.folder.path : init, cwd, (line) => {
    log.warn(line);
  });
  const checkpoint = await readCheckpoint(found);
  if (init === 'resume') {
    run.restore(checkpoint);
    log.info(`resuming from ${checkpoint.path} at iteration ${String(run.state.iteration)}`);
    return checkpoint.path;
  }
  run.loadWeights(checkpoint);
  log.info(`weights from ${checkpoint.path}`);
  return undefined;
}
