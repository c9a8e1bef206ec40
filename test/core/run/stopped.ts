import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { findCheckpoint } from '../../../plugins/checkpoint/stored/find.js';
import { readCheckpoint } from '../../../plugins/checkpoint/stored/read.js';
import type { EventName } from '../../../core/events/lifecycle.js';
import type { RunResult } from '../../../core/run/parts.js';
import type { Run } from '../../../core/run/run.js';
import { debugRun } from './debug-run.js';

/** Where a run is stopped as a signal stops it: in an event, at a number of iterations done. */
export interface Stop {
  readonly event: EventName;
  readonly at: number;
  /** Which one there, from 1; the first when not given. */
  readonly nth?: number;
}

/** Trains to the end, or to a stop; goes on where the folder holds a checkpoint. */
export async function trainPart(
  t: ExecutionContext,
  folder: string,
  dir: string,
  settings: readonly string[],
  { stop, listen }: { readonly stop?: Stop | undefined; readonly listen?: ((run: Run) => void) | undefined } = {},
): Promise<RunResult & { run: Run }> {
  const from = await findCheckpoint(dir, folder).catch(() => undefined);
  const { run } = await debugRun(t, folder, ...settings, `run.dir=${dir}`);
  if (stop !== undefined) {
    let seen = 0;
    run.bus.listen({ plugin: 'test', event: stop.event, critical: true }, () => {
      if (run.state.iteration !== stop.at || ++seen !== (stop.nth ?? 1)) return;
      run.control.requestStop('a signal', 143);
      run.control.requestCheckpoint('emergency');
    });
  }
  listen?.(run);
  await run.setUp();
  if (from !== undefined) run.restore(await readCheckpoint(from));
  const result = await run.train(from);
  await run.dispose();
  return { run, ...result };
}

/** A run in one go, in `whole`, and the same with stops, in `parts`. */
export async function trainBoth(
  t: ExecutionContext,
  folder: string,
  settings: readonly string[],
  stops: readonly Stop[],
  listen?: (run: Run) => void,
): Promise<void> {
  await trainPart(t, folder, 'whole', settings, { listen });
  for (const stop of stops) t.is((await trainPart(t, folder, 'parts', settings, { stop, listen })).exitCode, 143);
  await trainPart(t, folder, 'parts', settings, { listen });
}

/** What the newest checkpoint of a run says, but for what the run is called. */
export async function stateOf(folder: string, dir: string): Promise<unknown> {
  const { state } = await readCheckpoint(await newest(folder, dir));
  return { ...state, config: 'of another folder', given: {} };
}

export function newest(folder: string, dir: string): Promise<string> {
  return findCheckpoint(path.join(folder, dir), folder);
}
