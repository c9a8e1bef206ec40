import { Engine } from '../contracts/engine.js';
import { required } from '../families/provided.js';
import type { Logger } from '../logger.js';
import { claimEngine } from './engine-in-use.js';
import type { MadeRun, RunRequest } from './make.js';

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

/** As `RunStart` says. */
export async function startRun(request: StartRequest, look = false): Promise<MadeRun> {
  return (await required<RunStart>('run-start', ['start'])).start(request, look);
}

/** @throws UsageError where another run of this process computes with another engine */
export function shareEngine({ run, plugins }: MadeRun): void {
  const plugin = plugins.find(({ options }) => options.slot === 'engine');
  const engine = run.container.resolve(Engine);
  if (plugin !== undefined) claimEngine(run, { plugin, engine, precision: run.config.precision });
}
