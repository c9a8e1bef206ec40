import type { ComposedConfig } from '../config/composed.js';
import { Engine } from '../contracts/engine.js';
import type { Pretrained } from '../contracts/weights.js';
import { UsageError } from '../errors.js';
import { provided } from '../families/provided.js';
import type { Logger } from '../logger.js';
import { claimEngine } from './engine-in-use.js';
import { composeRequest, findPretrained, makeRunFrom, type MadeRun, type RunRequest } from './make.js';

/** How a run starts, besides what it is. */
export interface StartOptions {
  /** Resume from the newest checkpoint of the run's folder (true), or from the run or checkpoint that is named. */
  readonly resume?: boolean | string | undefined;
  /** When resuming: keys whose current values are taken, whatever gave them. */
  readonly override?: readonly string[] | undefined;
  /** When resuming: plugins that start afresh. */
  readonly resumeDrop?: readonly string[] | undefined;
  /** Start over in a run folder that holds checkpoints, which are deleted when training starts. */
  readonly force?: boolean | undefined;
}

export type StartRequest = RunRequest & StartOptions & { readonly logger: Logger };

/** Starts and resumes runs that are kept. The family that keeps them exports one as `provided` in `provides/run-start.ts`. */
export interface RunStart {
  /**
   * Makes a run that has its folder, is set up, and is where it starts: new, with weights, or resumed.
   * @param look nothing is created or claimed: for a look at what would run
   * @throws UsageError for anything that the user can fix
   */
  start(request: StartRequest, look: boolean): Promise<MadeRun>;
}

/** As `RunStart` says; without a family that keeps runs, a new one. */
export async function startRun(request: StartRequest, look = false): Promise<MadeRun> {
  const keeping = await provided<RunStart>('run-start', ['start']);
  if (keeping !== undefined) return keeping.start(request, look);
  const { created, read } = await makeNew(await composeRequest(request), request);
  const { run } = created;
  try {
    if (run.config.init !== 'scratch' && read === undefined) {
      throw new UsageError('ESP_CHECKPOINT_NOT_FOUND', 'no family reads checkpoints here: this installation lacks one');
    }
    shareEngine(created);
    await run.setUp(undefined, { loads: read !== undefined });
    await bringPretrained(created, read, request.logger);
  } catch (thrown) {
    await run.dispose();
    throw thrown;
  }
  return created;
}

/** A new run, and the pretrained weights that it starts with. */
export async function makeNew(
  composed: ComposedConfig,
  request: StartRequest,
): Promise<Pick<Pretrained, 'read'> & { readonly created: MadeRun }> {
  const download = request.logger.info.bind(request.logger);
  const { composed: whole, ...pretrained } = await findPretrained(composed, { ...request, download });
  return { ...pretrained, created: await makeRunFrom(whole, request) };
}

/** @throws UsageError where another run of this process computes with another engine */
export function shareEngine({ run, plugins }: MadeRun): void {
  const plugin = plugins.find(({ options }) => options.slot === 'engine');
  const engine = run.container.resolve(Engine);
  if (plugin !== undefined) claimEngine(run, { plugin, engine, precision: run.config.precision });
}

/** Reads pretrained weights into a run that is set up. */
export async function bringPretrained({ run }: MadeRun, read: Pretrained['read'], log: Logger): Promise<void> {
  const weights = await read?.(run.model);
  if (weights === undefined) return;
  for (const note of weights.notes) log.info(`weights of ${weights.path}: ${note}`);
  run.loadWeights(weights, { takeOver: true });
  log.info(`weights from ${weights.path}`);
}
