import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ours } from './contestants.js';
import { startContestant } from './contestant.js';
import { inFolder } from './folder.js';
import { settingsOf, type Shape } from './shapes.js';
import { median } from './statistics.js';

export interface LoopResult {
  readonly shape: string;
  readonly stepMilliseconds: number;
  readonly iterationMilliseconds: number;
  /** Time of the bare step divided by the loop's: the median over the turns of each pair, then over the pairs. */
  readonly share: number;
  readonly shares: readonly number[];
  /** Resident memory of the bare step after the first and the last turn. */
  readonly residentEarly: number;
  readonly residentLate: number;
  readonly stepsEarly: number;
  readonly steps: number;
}

/** Two processes that do the same work differ by about 2 %, so several pairs are measured. */
const PAIRS = 5;
const ROUNDS = 10;
const CHARACTERS = 200_000;
const worker = fileURLToPath(new URL('loop-worker.js', import.meta.url));

/** Measures a bare step and an iteration of `espalier train` with its default plugins, in turns. */
export async function measureLoop(
  name: string,
  shape: Shape,
  steps: number,
  say: (line: string) => void,
): Promise<LoopResult> {
  const pairs: Pair[] = [];
  for (let pair = 1; pair <= PAIRS; pair++) {
    say(`${name}: the whole loop, pair ${String(pair)} of ${String(PAIRS)}`);
    pairs.push(await measurePair(shape, steps));
  }
  const shares = pairs.map(({ share }) => share);
  const resident = pairs[0]?.resident ?? [];
  return {
    shape: name,
    stepMilliseconds: median(pairs.flatMap(({ bare }) => bare)),
    iterationMilliseconds: median(pairs.flatMap(({ loop }) => loop)),
    share: median(shares),
    shares,
    residentEarly: resident[0] ?? NaN,
    residentLate: resident.at(-1) ?? NaN,
    stepsEarly: steps / ROUNDS,
    steps,
  };
}

/** Milliseconds of each step and iteration, the median ratio of the turns, and the bare step's memory by turn. */
interface Pair {
  readonly bare: number[];
  readonly loop: number[];
  readonly share: number;
  readonly resident: number[];
}

function measurePair(shape: Shape, steps: number): Promise<Pair> {
  return inFolder(async (cwd) => {
    const text = path.join(cwd, 'text.txt');
    await writeFile(text, textOf(shape.vocabSize));
    const bare = await ours('native', shape);
    const training = await startContestant('loop', process.execPath, [
      worker,
      cwd,
      ...settingsOf(shape),
      'engine=native',
      'run.dir=runs',
      `data.text=${text}`,
    ]);
    try {
      const times = { bare: [] as number[], loop: [] as number[] };
      const shares: number[] = [];
      const resident: number[] = [];
      for (let turn = 0; turn < ROUNDS; turn++) {
        const answer = await bare.ask({ steps: steps / ROUNDS });
        resident.push(answer.residentBytes);
        const iterations = await training.ask({ steps: steps / ROUNDS });
        times.bare.push(...answer.times);
        times.loop.push(...iterations.times);
        shares.push(median(answer.times) / median(iterations.times));
      }
      return { ...times, share: median(shares), resident };
    } finally {
      await Promise.all([bare.stop(), training.stop()]);
    }
  });
}

/** Returns a text with `vocabSize` different characters, the vocabulary of the bare step. */
function textOf(vocabSize: number): string {
  const first = ' '.charCodeAt(0);
  return Array.from({ length: CHARACTERS }, (_, i) => String.fromCharCode(first + ((i * 7919) % vocabSize))).join('');
}
