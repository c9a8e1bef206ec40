import { Engine } from '../contracts/engine.js';
import { required } from '../families/provided.js';
import type { Logger } from '../logger.js';
import { claimEngine } from './engine-in-use.js';
import type { MadeRun, RunRequest } from './make.js';

/** How to start a run. */
export interface StartOptions {
  /** Resume from the newest checkpoint in the run folder (true), or from the named run or checkpoint. */
  readonly resume?: boolean | string | undefined;
  /** When resuming: keys that take this run's values, even if only a preset sets them. */
  readonly override?: readonly string[] | undefined;
  /** When resuming: plugins whose state is not restored. */
  readonly resumeDrop?: readonly string[] | undefined;
  /** Start over in a run folder that has checkpoints; they are deleted when training starts. */
  readonly force?: boolean | undefined;
}

export type StartRequest = RunRequest & StartOptions & { readonly logger: Logger };

/** Starts and resumes stored runs. A family implements it as `provided` in `provides/run-start.ts`. */
export interface RunStart {
  /**
   * Creates a run, claims its folder, sets it up, and puts it where it starts: new, with given weights, or resumed.
   * @param look create and claim nothing, to inspect what would run
   * @throws UsageError for anything that the user can fix
   */
  start(request: StartRequest, look: boolean): Promise<MadeRun>;
}

/** Starts a run; see `RunStart.start`. */
export async function startRun(request: StartRequest, look = false): Promise<MadeRun> {
  return (await required<RunStart>('run-start', ['start'])).start(request, look);
}

/** @throws UsageError if another run of this process uses another engine */
export function shareEngine({ run, plugins }: MadeRun): void {
  const plugin = plugins.find(({ options }) => options.slot === 'engine');
  const engine = run.container.resolve(Engine);
  if (plugin !== undefined) claimEngine(run, { plugin, engine, precision: run.config.precision });
}
