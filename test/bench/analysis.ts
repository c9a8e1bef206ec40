import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startContestant, type Contestant } from './contestant.js';
import { settingsOf, type Shape } from './shapes.js';
import { median } from './statistics.js';

export interface AnalysisResult {
  readonly shape: string;
  /** Iterations between analyses: one in `EVALUATIONS`, as by default. */
  readonly interval: number;
  /** Of an iteration, evaluation and what is between iterations included. */
  readonly withoutMilliseconds: number;
  readonly withMilliseconds: number;
  /** What the plugin adds to the time of a turn, as a share: the median over the turns. */
  readonly cost: number;
}

const ROUNDS = 5;
const EVALUATIONS = 4;
/** After a turn: what a thread has left to do is done in neither's time. */
const PAUSE_MS = 3000;
const worker = fileURLToPath(new URL('loop-worker.js', import.meta.url));

/**
 * Training with the default analysis beside training without, in turns of four evaluations, the first of which is
 * analysed: what the thread does, it does while its own run trains.
 *
 * @param evaluationInterval iterations between evaluations
 */
export async function measureAnalysis(name: string, shape: Shape, evaluationInterval: number): Promise<AnalysisResult> {
  const interval = EVALUATIONS * evaluationInterval;
  const cwd = await mkdtemp(path.join(tmpdir(), 'espalier-bench-'));
  const start = (folder: string, plugin: string): Promise<Contestant> =>
    startContestant(`loop ${plugin}`, process.execPath, [
      worker,
      cwd,
      ...settingsOf(shape),
      'engine=native',
      `run.dir=${folder}`,
      `plugins.evaluation={interval: ${String(evaluationInterval)}, iters: 1}`,
      'plugins.checkpoint=false',
      `plugins.analysis=${plugin}`,
    ]);
  const [without, analysed] = [
    await start('without', 'false'),
    await start('with', `{interval: ${String(EVALUATIONS)}}`),
  ];
  try {
    const total = async (contestant: Contestant, steps: number): Promise<number> => {
      const { times } = await contestant.ask({ steps });
      await pause(PAUSE_MS);
      return times.reduce((sum, time) => sum + time, 0);
    };
    for (const contestant of [without, analysed]) await total(contestant, Math.floor((3 * evaluationInterval) / 4));
    const times = { without: [] as number[], analysed: [] as number[] };
    for (let round = 0; round < ROUNDS; round++) {
      times.without.push(await total(without, interval));
      times.analysed.push(await total(analysed, interval));
    }
    const costs = times.analysed.map((time, round) => time / (times.without[round] ?? NaN) - 1);
    return {
      shape: name,
      interval,
      withoutMilliseconds: median(times.without) / interval,
      withMilliseconds: median(times.analysed) / interval,
      cost: median(costs),
    };
  } finally {
    await Promise.all([without.stop(), analysed.stop()]);
    await rm(cwd, { recursive: true, force: true });
  }
}
