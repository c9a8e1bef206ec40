// `node dist/test/bench/optimizers.js FOLDER`: Muon beside AdamW on `char-base`. FOLDER/optimizers.json keeps the losses
// of each run and the time of a step, so an interrupted benchmark continues. Steps are timed last: leave the machine
// idle then. It writes two figures, against tokens and against seconds, and prints the table.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chart, type Curve } from './chart.js';
import { ours } from './contestants.js';
import { table } from './report.js';
import { shapes, type Shape } from './shapes.js';
import { median, round } from './statistics.js';

const OPTIMIZERS = ['adamw', 'muon'] as const;
const RATES = ['1e-3', '2e-3', '4e-3'] as const;
const SEEDS = [1, 2] as const;
const ITERATIONS = 600;
/** Rows of a batch: `char-base` needs a few hundred steps to get past bigrams, whatever the batch size. */
const BATCH_SIZE = 8;
const ROUNDS = 6;
const STEPS = 5;
const LOOKS = { adamw: '#1f77b4', muon: '#d62728' };
const DASHES = { '1e-3': '2 3', '2e-3': '7 4', '4e-3': '' };

const command = fileURLToPath(new URL('../../plugins/command-line/shell/main.js', import.meta.url));
const shape: Shape = { ...shapes['char-base']!, batchSize: BATCH_SIZE };
const [outFolder = '.'] = process.argv.slice(2);
const resultsFile = path.join(outFolder, 'optimizers.json');

type Optimizer = (typeof OPTIMIZERS)[number];
type Rate = (typeof RATES)[number];
/** Tokens seen, and validation loss. */
type Points = readonly (readonly [number, number])[];
/** Runs by optimizer, learning rate and seed; milliseconds of a step by optimizer. */
interface Results {
  runs: Record<string, Points>;
  milliseconds?: Record<Optimizer, number>;
}
interface Trained {
  readonly optimizer: Optimizer;
  readonly rate: Rate;
  /** Of each seed. */
  readonly seeds: readonly Points[];
}

const results: Results = existsSync(resultsFile)
  ? (JSON.parse(readFileSync(resultsFile, 'utf8')) as Results)
  : { runs: {} };
// All rates of one seed first, so that an interrupted benchmark has tried each rate.
for (const seed of SEEDS) {
  for (const rate of RATES) {
    for (const optimizer of OPTIMIZERS) {
      results.runs[nameOf(optimizer, rate, seed)] ??= await train(optimizer, rate, seed);
      keepResults();
    }
  }
}
const milliseconds = (results.milliseconds ??= await stepTimes());
keepResults();
const trained = OPTIMIZERS.flatMap((optimizer) =>
  RATES.map((rate): Trained => ({
    optimizer,
    rate,
    seeds: SEEDS.map((seed) => results.runs[nameOf(optimizer, rate, seed)] ?? []),
  })),
);
write('optimizers-tokens.svg', 'tokens', () => 1);
const tokens = shape.batchSize * shape.blockSize;
write('optimizers-seconds.svg', 'seconds of training', (optimizer) => milliseconds[optimizer] / 1000 / tokens);
process.stdout.write(`${resultTable()}\n`);

function keepResults(): void {
  writeFileSync(resultsFile, `${JSON.stringify(results, null, 2)}\n`);
}

function nameOf(optimizer: Optimizer, rate: Rate, seed: number): string {
  return `${optimizer} ${rate} ${String(seed)}`;
}

async function train(optimizer: Optimizer, rate: Rate, seed: number): Promise<Points> {
  process.stderr.write(`${nameOf(optimizer, rate, seed)}\n`);
  const folder = mkdtempSync(path.join(tmpdir(), 'espalier-optimizers-'));
  const settings = [
    ...[`seed=${String(seed)}`, `run.dir=${folder}/run`, `train.max_iters=${String(ITERATIONS)}`],
    ...[`optimizer={use: ${optimizer}, learning_rate: ${rate}}`, 'lr.warmup_iters=100'],
    ...[`train.batch_size=${String(BATCH_SIZE)}`, 'model.dropout=0'],
    ...['plugins.checkpoint=false', 'plugins.profiler=false'],
    ...['plugins.evaluation.interval=100', 'plugins.evaluation.iters=20', 'plugins.evaluation.at_start=true'],
  ];
  const args = [command, 'train', '--preset', 'char-base', ...settings.flatMap((each) => ['--set', each])];
  try {
    const [code]: unknown[] = await once(
      spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] }),
      'close',
    );
    if (code !== 0) throw new Error(`the run ended with ${String(code)}`);
    return read(path.join(folder, 'run'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function read(folder: string): Points {
  const lines = readFileSync(path.join(folder, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return lines.flatMap((line) => {
    const { tokens, 'val/loss': loss } = JSON.parse(line) as { tokens: number; 'val/loss'?: number };
    return loss === undefined ? [] : [[tokens, loss] satisfies [number, number]];
  });
}

/** Milliseconds of a step, in turns. */
async function stepTimes(): Promise<Record<Optimizer, number>> {
  const contestants = [];
  for (const optimizer of OPTIMIZERS) contestants.push(await ours('native', shape, [`optimizer=${optimizer}`]));
  const times = { adamw: [] as number[], muon: [] as number[] };
  for (let turn = 0; turn <= ROUNDS; turn++) {
    for (const [i, optimizer] of OPTIMIZERS.entries()) {
      const { times: now } = (await contestants[i]?.ask({ steps: STEPS })) ?? { times: [] };
      // The first round allocates.
      if (turn > 0) times[optimizer].push(...now);
    }
  }
  await Promise.all(contestants.map((contestant) => contestant.stop()));
  return { adamw: median(times.adamw), muon: median(times.muon) };
}

/** @param perToken length of a token on the horizontal axis */
function write(name: string, along: string, perToken: (optimizer: Trained['optimizer']) => number): void {
  const curves = trained.map(({ optimizer, rate, seeds }): Curve => {
    const points = (seeds[0] ?? []).map(([seen], at): [number, number] => [
      seen * perToken(optimizer),
      seeds.reduce((sum, points) => sum + (points[at]?.[1] ?? NaN), 0) / seeds.length,
    ]);
    const look = { colour: LOOKS[optimizer], dashes: DASHES[rate] };
    return { label: `${optimizer}, ${rate}`, points: points.slice(1), look };
  });
  writeFileSync(path.join(outFolder, name), chart(curves, along));
}

function resultTable(): string {
  const rows = trained.map(({ optimizer, rate, seeds }) => {
    const last = seeds.map((points) => points.at(-1)?.[1] ?? NaN);
    const seconds = (milliseconds[optimizer] * ITERATIONS) / 1000;
    return [optimizer, rate, ...last.map((loss) => loss.toFixed(3)), round(milliseconds[optimizer]), round(seconds)];
  });
  const seeds = SEEDS.map((seed) => `Validation loss, seed ${String(seed)}`);
  return table(['Optimizer', 'Learning rate', ...seeds, 'A step, ms', 'All steps, s'], rows);
}
