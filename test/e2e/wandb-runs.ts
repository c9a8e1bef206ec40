import { execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { textFolder } from '../text.js';
import type { HeldRun } from '../plugins/logs/wandb/stand-in.js';
import { peersPython } from '../needs.js';
import { commandFile, type Outcome } from './command.js';

type Row = Record<string, unknown>;

/** Publishes a sample and a histogram at iteration 4, and ends its process as FAULT says: `SIGKILL,6`. */
const PROBE = `import { EventBus, inject, On, Plugin, type IterationEnd } from 'espalier';
const [signal = '', at = ''] = (process.env['FAULT'] ?? '').split(',');
/** Waits until that many batches of rows are on the server, or the server is gone. */
async function arrived(batches: number): Promise<void> {
  const server = process.env['WAIT_FOR'];
  const count = async (): Promise<number> => Number(await (await fetch(server + '/batches')).text());
  while (server !== undefined && (await count().catch(() => Infinity)) < batches) await new Promise((resolve) => setTimeout(resolve, 20));
}
@Plugin({ name: 'probe', summary: 'publishes, and ends its process', before: ['training-metrics'] })
export default class Probe {
  constructor(@inject(EventBus) private readonly bus: EventBus) {}
  @On('iteration:end')
  async publish({ iteration }: IterationEnd): Promise<void> {
    const done = iteration + 1;
    if (done === 4) {
      await this.bus.dispatch('sample', { iteration: done, prompt: 'the', text: ' quick "brown" fox\\n' });
      await this.bus.dispatch('histogram', { iteration: done, name: 'weights/x', edges: [0, 1, 2], counts: [3, 4], sum: 5, sumOfSquares: 6 });
    }
    if (signal !== '' && done === Number(at)) {
      process.kill(process.pid, signal);
      // It comes in a later turn, which an iteration may not leave room for.
      await new Promise((resolve) => process.once(signal, resolve));
    }
    // Iterations of a test are faster than any upload.
    if (done === 4) await arrived(1);
    if (done === 6) await arrived(2);
  }
}
`;

export const ITERATIONS = 10;

/** A folder with a text, the probe, and nothing of the machine's own W&B settings. */
export function wandbFolder(t: ExecutionContext): string {
  const cwd = textFolder(t);
  writeFileSync(path.join(cwd, 'probe.ts'), PROBE);
  return cwd;
}

const COMMON = [
  'data={text: text.txt}',
  'engine=auto',
  'model={n_layer: 1, n_head: 2, n_embd: 16, block_size: 16}',
  `train={max_iters: ${ITERATIONS}, batch_size: 2}`,
  'plugins={evaluation: {interval: 4, iters: 1}, checkpoint: {interval: 2, background: false}, training-metrics: {interval: 1}, system-metrics: {interval: 0}, progress: false, wandb: {}, "./probe.ts": {}}',
];

/** `espalier train` of a tiny run in its own process. */
export function train(cwd: string, settings: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  const args = ['train', '-p', 'debug', ...[...COMMON, ...settings].flatMap((setting) => ['--set', setting])];
  const child = spawn(process.execPath, [commandFile, ...args], { cwd, env: ownEnvironment(cwd, env) });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (out += piece));
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (err += piece));
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      resolve({ code: code ?? (signal === 'SIGKILL' ? 137 : 1), out, err });
    });
  });
}

/** `wandb sync` of the real client. */
export function sync(cwd: string, env: Record<string, string>, ...paths: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const args = ['-m', 'wandb', 'sync', ...paths];
    execFile(peersPython, args, { cwd, env: ownEnvironment(cwd, env) }, (error, out, err) => {
      resolve({ code: error === null ? 0 : 1, out, err });
    });
  });
}

/** Folders of W&B runs below a run's folder, oldest first. */
export function wandbRuns(cwd: string, run: string): string[] {
  const folder = path.join(cwd, run, 'wandb');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((name) => path.join(run, 'wandb', name));
}

/** What a run logged by iteration, with the clock's part or without; figures of the machine left out. */
export function logged(cwd: string, run: string, files = ['metrics.jsonl', 'timings.jsonl']): Row[] {
  const rows = new Map<unknown, Row>();
  for (const line of files.flatMap((file) => linesOf(path.join(cwd, run, file)))) {
    const values = Object.entries(line).filter(([key]) => !key.startsWith('system/'));
    if (values.length > 2) rows.set(line['iter'], { ...rows.get(line['iter']), ...Object.fromEntries(values) });
  }
  return [...rows.values()];
}

/** Figures of the machine, as a run logged them. */
export function systemLogged(cwd: string, run: string): Row[] {
  return linesOf(path.join(cwd, run, 'timings.jsonl')).filter((line) => 'system/memory_percent' in line);
}

/** History on the server without what W&B adds: only keys that a run logged. */
export function arrived(run: HeldRun, keys?: readonly Row[]): Row[] {
  return run.history.map((row) => {
    const own = Object.entries(row).filter(([key]) => !key.startsWith('_') && key !== 'samples' && key !== 'weights/x');
    const only = keys === undefined ? own : own.filter(([key]) => keys.some((each) => key in each));
    return Object.fromEntries(only);
  });
}

function linesOf(file: string): Row[] {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as Row);
}

function ownEnvironment(home: string, more: Record<string, string>): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('WANDB_') && name !== 'NETRC');
  return { ...Object.fromEntries(own), HOME: home, ...more };
}
