import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ours } from './contestants.js';
import { startContestant } from './contestant.js';
import { settingsOf, type Shape } from './shapes.js';
import { median } from './statistics.js';

export interface LoopResult {
  readonly shape: string;
  readonly stepMilliseconds: number;
  readonly iterationMilliseconds: number;
  /** Resident memory of the bare step after 100 steps, and after all of them. */
  readonly residentEarly: number;
  readonly residentLate: number;
  readonly steps: number;
}

const ROUNDS = 10;
const worker = fileURLToPath(new URL('loop-worker.js', import.meta.url));

/** A bare step beside an iteration of `espalier train` with its default plugins, in turns. */
export async function measureLoop(name: string, shape: Shape, steps: number): Promise<LoopResult> {
  const cwd = await mkdtemp(path.join(tmpdir(), 'espalier-bench-'));
  const bare = await ours('native', shape);
  const training = await startContestant('loop', process.execPath, [
    worker,
    cwd,
    ...settingsOf(shape),
    'engine=native',
    'run.dir=runs',
  ]);
  try {
    const times = { bare: [] as number[], loop: [] as number[] };
    const resident: number[] = [];
    for (let turn = 0; turn < ROUNDS; turn++) {
      const answer = await bare.ask({ steps: steps / ROUNDS });
      resident.push(answer.residentBytes);
      times.bare.push(...answer.times);
      times.loop.push(...(await training.ask({ steps: steps / ROUNDS })).times);
    }
    return {
      shape: name,
      stepMilliseconds: median(times.bare),
      iterationMilliseconds: median(times.loop),
      residentEarly: resident[0] ?? NaN,
      residentLate: resident.at(-1) ?? NaN,
      steps,
    };
  } finally {
    await Promise.all([bare.stop(), training.stop()]);
    await rm(cwd, { recursive: true, force: true });
  }
}
