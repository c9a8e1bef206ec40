import { UsageError } from '../../../core/errors.js';
import { Ranks } from '../../../core/index.js';
import {
  composeRequest,
  findPretrained,
  makeRunFrom,
  shareEngine,
  withPlace,
  type MadeRun,
  type Pretrained,
  type Run,
  type StartOptions,
  type StartRequest,
} from '../../../core/runs.js';
import { DiskFolder } from '../run-folder/folder.js';
import { readFound } from '../stored/find.js';
import { differences } from './differences.js';
import { findResumption, type Resumption } from './resumption.js';

const ATTEMPTS = 3;

/** Makes a run that holds its folder, is set up and has its starting state: new, resumed, or with loaded weights. */
export async function startRun(request: StartRequest, look: boolean): Promise<MadeRun> {
  const started = await claimed(request, look);
  const { run } = started.created;
  const { resumed } = started;
  try {
    if (resumed === undefined) await bringWeights(started, request);
    else resumeFrom(resumed, started, request);
    if (request.force === true && !look) startOver(run);
  } catch (thrown) {
    await run.dispose();
    throw thrown;
  }
  return started.created;
}

/** A run that was made, and what it resumes from or starts with. */
interface Started extends Pick<Pretrained, 'read'> {
  readonly created: MadeRun;
  readonly resumed?: Resumption;
  /** Whether a plugin ended the run and nobody asked to train it further. */
  readonly staysEnded?: boolean;
}

/**
 * Makes a run, sets it up and locks its folder. What it resumes from has to be decided before the lock is held; if
 * another process has trained in the folder in between, it is decided again.
 */
async function claimed(request: StartRequest, look: boolean): Promise<Started> {
  for (let attempt = 1; ; attempt++) {
    const started = await startingPoint(request);
    const { run } = started.created;
    const loads = started.resumed !== undefined || run.config.init !== 'scratch';
    const folder = onDisk(run);
    const claim = async (): Promise<boolean> => {
      await folder?.claim((line) => {
        request.logger.warn(line);
      });
      return folder?.isClaimed !== true || !(await hasChanged(started, request));
    };
    try {
      shareEngine(started.created);
      if (look) {
        await folder?.refuseClaimed();
        await refuseUsed(started, request);
        await run.setUp(undefined, { loads });
        return started;
      }
      const exists = folder?.exists() === true;
      if (!exists || (await claim())) {
        await refuseUsed(started, request);
        await run.setUp(undefined, { loads });
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

/** Returns the run's folder on disk; undefined for a run in memory, whose folder needs no checks. */
function onDisk({ folder }: Run): DiskFolder | undefined {
  return folder instanceof DiskFolder ? folder : undefined;
}

/** Returns whether the run would now resume from something else than was decided. */
async function hasChanged(started: Started, { force }: StartOptions): Promise<boolean> {
  const { run, composed } = started.created;
  if (started.resumed?.isWithin(run.folder) === true) return !(await started.resumed.isNewest());
  const { resume = 'never' } = composed.value;
  return force !== true && resume !== 'never' && (await onDisk(run)?.isUsed()) === true;
}

/** Refuses to start, or to continue from elsewhere, in a folder that already has checkpoints. */
async function refuseUsed({ resumed, created: { run } }: Started, { force }: StartOptions): Promise<void> {
  if (force !== true && resumed?.isWithin(run.folder) !== true) await onDisk(run)?.refuseUsed();
}

function overtaken({ folder }: Run): UsageError {
  return new UsageError(
    'ESP_RUN_FOLDER_LOCKED',
    `another process trained in ${folder.shown} while this one was starting: start again to resume from its newest checkpoint`,
  );
}

async function startingPoint(request: StartRequest): Promise<Started> {
  const { force, override = [], resumeDrop = [], logger: log } = request;
  const composed = await composeRequest(request);
  if (force === true && composed.value['init'] === 'resume') {
    throw new UsageError('ESP_USAGE', '--force starts over, but init: resume resumes: remove one of them');
  }
  const say = (level: 'info' | 'warn', line: string): void => {
    log[level](line);
  };
  // --force starts over even with `resume: auto`.
  const resumed = force === true ? undefined : await findResumption(composed, { ...request, say });
  if (resumed === undefined) {
    refuseAlone('--override', override);
    refuseAlone('--resume-drop', resumeDrop);
    const { composed: whole, ...pretrained } = await findPretrained(composed, {
      ...request,
      download: log.info.bind(log),
    });
    return { ...pretrained, created: await makeRunFrom(whole, request) };
  }
  const created = await makeRunFrom(resumed.composed, request);
  return { created, resumed, staysEnded: resumed.review(created.plugins, created.run.folder) };
}

function resumeFrom(
  { checkpoint, isAlone }: Resumption,
  started: Started,
  { logger: log, resumeDrop }: StartRequest,
): void {
  const { run } = started.created;
  run.restore(checkpoint, { drop: resumeDrop ?? [], staysEnded: started.staysEnded, takeOver: true });
  for (const line of differences(run, checkpoint)) log.warn(line);
  log.info(`resuming from ${checkpoint.path} at iteration ${String(run.state.iteration)}`);
  if (isAlone) log.info(`this checkpoint is not in a run folder: the run continues in ${run.folder.shown}`);
  if (started.staysEnded === true) log.info(stillEnded(run));
}

/** Loads weights only, from the pretrained model or checkpoint that `init` names. */
async function bringWeights({ created, read }: Started, { cwd, logger: log }: StartRequest): Promise<void> {
  const { run, composed } = created;
  const { init } = run.config;
  if (init === 'scratch') return;
  if (read !== undefined) {
    const weights = await read(run.model);
    for (const note of weights.notes) log.info(`weights of ${weights.path}: ${note}`);
    run.loadWeights(weights, { takeOver: true });
    log.info(`weights from ${weights.path}`);
    return;
  }
  const warn = (line: string): void => {
    log.warn(line);
  };
  const checkpoint = await withPlace(['init'], composed, async () =>
    readFound(init, cwd, { log: warn, optimizer: false }),
  );
  run.loadWeights(checkpoint, { takeOver: true });
  log.info(`weights from ${checkpoint.path}`);
}

function stillEnded({ state }: Run): string {
  const { reason = '', plugin = null } = state.ending ?? {};
  const options = plugin === null ? '' : ` or an option of plugin ${plugin}`;
  return `the run has ended (${reason}) so resume: auto does not train it further; use --resume, or change train.max_iters${options}`;
}

/**
 * Deletes the previous run's checkpoints as the last step of `run:start`, so a run that fails to start deletes none.
 */
function startOver(run: Run): void {
  run.bus.listen({ plugin: 'core', event: 'run:start', critical: true }, () => onDisk(run)?.startOver());
}

function refuseAlone(flag: string, given: readonly string[]): void {
  if (given.length === 0) return;
  throw new UsageError('ESP_USAGE', `${flag} needs a run to resume: add --resume, or use --set`);
}
