import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { inFolder } from './folder.js';
import { table } from './report.js';
import { pretrainedShape, settingsOf } from './shapes.js';
import { median, round } from './statistics.js';

export interface StartingResult {
  readonly what: string;
  readonly seconds: number;
  readonly fastest: number;
}

/** A command and the output that shows that it is ready; default: its exit. */
interface Start {
  readonly what: string;
  readonly args: readonly string[];
  readonly ready?: string;
}

/** Rounds; the first fills the file cache and Node's compile cache, and is not counted. */
const ROUNDS = 4;
/** Characters of the text: enough for one window of each split. */
const CHARACTERS = 6500;
const command = fileURLToPath(new URL('../../plugins/command-line/shell/main.js', import.meta.url));
const book = fileURLToPath(new URL('../../../presets/texts/moby-dick.txt', import.meta.url));

const starts: readonly Start[] = [
  { what: '`sample`, one token', args: ['sample', 'run', '--tokens', '1'] },
  { what: '`evaluate`, two windows', args: ['evaluate', 'run', '--iters', '1'] },
  { what: '`train --resume --dry-run`', args: ['train', '--resume', 'run', '--dry-run'] },
  {
    what: '`train --resume`, until its first batch',
    args: ['train', '--resume', 'run'],
    ready: 'training from iteration',
  },
];

/** Measures the seconds from the start of a process, with a checkpoint of GPT-2 124M (block size 128) in the file cache. */
export function measureStarting(say: (line: string) => void): Promise<StartingResult[]> {
  return inFolder(async (folder) => {
    say('starting: training a run with 124 million weights for one iteration');
    await makeRunIn(folder);
    const times = new Map(starts.map((start) => [start, [] as number[]]));
    for (let turn = 0; turn < ROUNDS; turn++) {
      say(`starting: round ${String(turn + 1)} of ${String(ROUNDS)}`);
      for (const [start, all] of times) {
        await readWhole(folder);
        const seconds = await secondsOf(folder, start);
        if (turn > 0) all.push(seconds);
      }
    }
    return [...times].map(([{ what }, all]) => ({ what, seconds: median(all), fastest: Math.min(...all) }));
  });
}

export function startingSection(results: readonly StartingResult[]): string {
  return table(
    ['Command', 'Median, s', 'Fastest, s'],
    results.map(({ what, seconds, fastest }) => [what, round(seconds), round(fastest)]),
  );
}

/** Trains one iteration and writes a checkpoint. */
async function makeRunIn(folder: string): Promise<void> {
  await writeFile(path.join(folder, 'text.txt'), (await readFile(book, 'utf8')).slice(0, CHARACTERS));
  const set = [
    ...settingsOf({ ...pretrainedShape, blockSize: 128 }),
    ...['run.dir=run', 'engine=native', 'data.text=text.txt', 'data.tokenizer=gpt2', 'train.max_iters=1000'],
  ];
  const args = ['train', '--preset', 'base', ...set.flatMap((each) => ['--set', each]), '--stop-after', '1'];
  await secondsOf(folder, { what: 'train', args });
}

/** Reads a file into the file cache, since a large checkpoint may have pushed it out. */
async function readWhole(folder: string): Promise<void> {
  const latest = (await readFile(path.join(folder, 'run/checkpoints/latest'), 'utf8')).trim();
  const buffer = Buffer.alloc(1 << 24);
  for (const name of ['model.safetensors', 'optimizer.safetensors']) {
    const file = await open(path.join(folder, 'run/checkpoints', latest, name));
    try {
      while ((await file.read(buffer)).bytesRead > 0);
    } finally {
      await file.close();
    }
  }
}

/** @throws Error with its output, when the command fails or exits before it is ready */
async function secondsOf(cwd: string, { what, args, ready }: Start): Promise<number> {
  const started = performance.now();
  const child = spawn(process.execPath, [command, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  let readyAt: number | undefined;
  const take = (data: Buffer): void => {
    printed += data.toString();
    if (ready === undefined || readyAt !== undefined || !printed.includes(ready)) return;
    readyAt = performance.now();
    // Killed, because a request to stop would write a checkpoint.
    child.kill('SIGKILL');
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const [code]: unknown[] = await once(child, 'close');
  if (readyAt === undefined && (code !== 0 || ready !== undefined)) {
    throw new Error(`${what} ended with ${String(code)}: ${printed.slice(-2000)}`);
  }
  return ((readyAt ?? performance.now()) - started) / 1000;
}
