import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { findLauncher, launchArguments, type Launcher } from '../../plugins/parallel/launch/mpirun.js';
import { inFolder } from './folder.js';
import { withHosts, type Hosts } from './hosts.js';
import { settingsOf, type Shape } from './shapes.js';
import { median } from './statistics.js';

/** Time to average this many bytes of gradients over two ranks. */
export interface AverageTime {
  readonly transport: string;
  readonly bytes: number;
  readonly milliseconds: number;
}

/** An iteration of N ranks beside one of N independent processes, each with one thread. */
export interface RanksTime extends Way {
  readonly shape: string;
  readonly ranks: number;
  readonly independentMs: number;
  readonly ranksMs: number;
  readonly communicationMs: number;
  /** Bytes of the gradients, in f32. */
  readonly bytes: number;
}

/** How gradients travel. */
export interface Way {
  readonly over: string;
  readonly wire: 'f32' | 'bf16';
  /** Whether gradients travel during the backward pass. */
  readonly overlap: boolean;
}

export interface RanksResult {
  readonly launcher: string;
  readonly averages: readonly AverageTime[];
  readonly runs: readonly RanksTime[];
}

const SIZES = [4, 4096, 65_536, 1_048_576, 4_194_304, 16_777_216, 67_108_864];
const ROUNDS = 2;
const ITERATIONS: Readonly<Record<string, number>> = { 'char-small': 60, 'char-base': 12, gpt2: 2 };
/** Iterations before the first measured one: the first ones of a process are slower. */
const WARM_UP = 3;
const RATE = '1gbit';
const SHARED_MEMORY = 'shared memory';
const LINK = 'a link of 1 Gbit/s';
const WAYS: readonly Omit<Way, 'over'>[] = [
  { wire: 'f32', overlap: true },
  { wire: 'f32', overlap: false },
  { wire: 'bf16', overlap: true },
];
const command = fileURLToPath(new URL('../../plugins/command-line/shell/main.js', import.meta.url));
const worker = fileURLToPath(new URL('ranks-worker.js', import.meta.url));

export async function measureRanks(
  shapes: ReadonlyMap<string, Shape>,
  say: (line: string) => void,
): Promise<RanksResult> {
  const launcher = findLauncher({});
  const averages: AverageTime[] = [];
  for (const [transport, more] of transports(launcher)) {
    say(`ranks: averaging over ${transport}`);
    const program = [process.execPath, worker, ...SIZES.map(String)];
    const out = await finished([launcher.file, ...argumentsFor(launcher, { ranks: 2, program, more })], tmpdir());
    for (const line of out.trim().split('\n')) averages.push({ transport, ...averageSchema.parse(JSON.parse(line)) });
  }
  const runs: RanksTime[] = [];
  for (const [name, shape] of shapes) {
    say(`ranks: ${name} over ${SHARED_MEMORY}`);
    runs.push(...(await inFolder((cwd) => measureShape({ cwd, name, shape, launcher }))));
    if (launcher.family !== 'openmpi') continue;
    say(`ranks: ${name} over ${LINK}`);
    const between = await inFolder((cwd) =>
      withHosts(cwd, RATE, (hosts) => measureShape({ cwd, name, shape, launcher, hosts })),
    );
    if (between === undefined) say('ranks: no link between hosts measured: it needs Linux, root, ip and tc');
    else runs.push(...between);
  }
  return { launcher: launcher.family === 'openmpi' ? 'Open MPI' : 'MPICH', averages, runs };
}

const averageSchema = z.object({ bytes: z.number(), milliseconds: z.number() });

/** Transports between processes of one machine. MPICH's is fixed when it is built. */
function transports({ family }: Launcher): [string, string[]][] {
  if (family === 'mpich') return [['the default', []]];
  return [
    [SHARED_MEMORY, []],
    ['TCP on loopback', ['--mca', 'btl', 'self,tcp', '--mca', 'btl_tcp_if_include', 'lo']],
  ];
}

interface Launch {
  readonly ranks: number;
  readonly program: string[];
  readonly more?: string[];
  readonly hosts?: Hosts | undefined;
}

function argumentsFor({ family }: Launcher, { ranks, program, more = [], hosts }: Launch): string[] {
  return launchArguments(family, {
    ranks,
    hosts: (hosts?.names ?? []).map((name) => ({ name, slots: 1 })),
    root: process.getuid?.() === 0,
    interface: hosts?.interface,
    ssh: hosts?.shell,
    more,
    program,
  });
}

interface Contest {
  readonly cwd: string;
  readonly name: string;
  readonly shape: Shape;
  readonly launcher: Launcher;
  readonly hosts?: Hosts;
}

/** Measures in turns, because the machine's speed varies. */
async function measureShape({ cwd, name, shape, launcher, hosts }: Contest): Promise<RanksTime[]> {
  const ranks = hosts?.names.length ?? Math.max(2, availableParallelism());
  const train = (run: string, ...more: string[]): string[] => [
    process.execPath,
    command,
    ...['train', '--preset', 'char-small', '--quiet'],
    ...[
      ...settingsOf(shape),
      `model.vocab_size=${String(vocabularyOf(shape))}`,
      'engine={use: native, threads: 1}',
      'precision=f32',
      `train.max_iters=${String(WARM_UP + (ITERATIONS[name] ?? 10))}`,
      'plugins={evaluation: false, checkpoint: false, progress: false, training-metrics: {interval: 1}}',
      `run.dir=${run}`,
      ...more,
    ].flatMap((setting) => ['--set', setting]),
  ];
  const independent: number[] = [];
  const ways = WAYS.map((way) => ({ ...way, over: hosts === undefined ? SHARED_MEMORY : LINK, times: timesOf() }));
  for (let round = 0; round < ROUNDS; round++) {
    const alone = Array.from({ length: ranks }, (_, i) => `alone${String(round)}-${String(i)}`);
    await Promise.all(alone.map((run) => finished(train(run), cwd)));
    for (const run of alone) independent.push(...(await timings(cwd, run, 'time/iteration_ms')));
    for (const [index, { wire, overlap, times }] of ways.entries()) {
      const run = `ranks${String(round)}-${String(index)}`;
      const joined = `plugins.data-parallel={interval: 1, wire: ${wire}, overlap: ${String(overlap)}}`;
      const launched = argumentsFor(launcher, { ranks, program: train(run, joined), hosts });
      await finished([...(hosts?.within ?? []), launcher.file, ...launched], cwd);
      times.iteration.push(...(await timings(cwd, run, 'time/iteration_ms')));
      times.communication.push(...(await timings(cwd, run, 'ranks/communication_ms')));
    }
  }
  return ways.map(({ times, ...way }) => ({
    ...way,
    shape: name,
    ranks,
    independentMs: median(independent),
    ranksMs: median(times.iteration),
    communicationMs: median(times.communication),
    bytes: 4 * weightsOf(shape),
  }));
}

function timesOf(): { readonly iteration: number[]; readonly communication: number[] } {
  return { iteration: [], communication: [] };
}

const timingSchema = z.looseObject({ iter: z.int() });

async function timings(cwd: string, run: string, metric: string): Promise<number[]> {
  const lines = (await readFile(path.join(cwd, run, 'timings.jsonl'), 'utf8')).trimEnd().split('\n');
  return lines.flatMap((line) => {
    const timing = timingSchema.parse(JSON.parse(line));
    const value = timing[metric];
    return typeof value === 'number' && timing.iter > WARM_UP ? [value] : [];
  });
}

/** The vocabulary of the text in the package is slightly larger than that of the shapes. */
function vocabularyOf({ vocabSize }: Shape): number {
  return Math.max(128, vocabSize);
}

/** Counts matrices and embeddings; norms are less than a thousandth of the total. */
function weightsOf(shape: Shape): number {
  const { layers, embd, blockSize } = shape;
  return layers * 12 * embd ** 2 + (vocabularyOf(shape) + blockSize) * embd;
}

/** Returns standard output. @throws Error with the end of standard error */
function finished([file = '', ...args]: readonly string[], cwd: string): Promise<string> {
  const child = spawn(file, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (piece: Buffer) => (out += piece.toString()));
  child.stderr.on('data', (piece: Buffer) => (err = (err + piece.toString()).slice(-2000)));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(out);
      else reject(new Error(`${file} ended with ${String(code)}: ${err}`));
    });
  });
}
