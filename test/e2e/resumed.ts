import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { compareRuns } from '../../plugins/verify/resume/compare.js';
import { espalier } from './warm.js';

/**
 * What `espalier verify-resume -p debug` does, without a process for each of its runs: trains `iters` iterations twice
 * over in one go, and the same with a stop, and fails where they differ.
 * @param settings as `--set` takes them
 * @returns what is the same, and the folder of the run with the stop
 */
export async function assertSameThoughResumed(
  t: ExecutionContext,
  folder: string,
  iters: number,
  settings: readonly string[],
): Promise<{ readonly same: readonly string[]; readonly parts: string }> {
  const train = async (run: string, iterations: number, ...more: string[]): Promise<void> => {
    const compared = ['plugins.batch-digest={}', 'plugins.checkpoint={}', 'plugins.training-metrics.interval=1'];
    const set = [...settings, `run.dir=${run}`, ...compared, ...more].flatMap((setting) => ['--set', setting]);
    const { code, err } = await espalier(folder, 'train', '-p', 'debug', ...set, '--stop-after', String(iterations));
    t.is(code, 0, err);
  };
  await train('whole', 2 * iters);
  await train('parts', iters);
  await train('parts', iters, 'resume=auto');
  const parts = path.join(folder, 'parts');
  const { same, difference } = await compareRuns([path.join(folder, 'whole'), parts]);
  t.is(difference, undefined);
  return { same, parts };
}
