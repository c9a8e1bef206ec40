import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { z } from 'zod';
import { findCheckpoint } from '../../plugins/checkpoint/stored/find.js';
import { readDescription } from '../../plugins/checkpoint/stored/read.js';
import { textFolder } from '../text.js';
import { commandFile } from './command.js';

/**
 * FAULT=how,rank,iteration: at the end of that iteration that rank is killed, changes or spoils a weight, or says where
 * it is and waits for a stop; once in the life of the process.
 */
const fault = `import { inject, Model, On, Plugin, Ranks, RunControl, tf, type IterationEnd } from 'espalier';
const [how, rank, at] = (process.env['FAULT'] ?? ',,').split(',');
@Plugin({ name: 'fault', summary: 'goes wrong', before: ['evaluation', 'signals'] })
export default class Fault {
  private struck = false;
  constructor(
    @inject(Ranks) private readonly ranks: Ranks,
    @inject(RunControl) private readonly control: RunControl,
    @inject(Model) private readonly model: Model,
  ) {}
  @On('iteration:end')
  async strike({ iteration }: IterationEnd): Promise<void> {
    if (this.struck || this.ranks.rank !== Number(rank) || iteration !== Number(at)) return;
    this.struck = true;
    if (how === 'SIGKILL') process.kill(process.pid, 'SIGKILL');
    const [weight] = this.model.parameters().values();
    if (weight === undefined) throw new Error('there is a weight');
    if (how === 'change') tf.tidy(() => weight.assign(tf.add(weight, 1e-7)));
    if (how === 'spoil') tf.tidy(() => weight.assign(tf.mul(weight, NaN)));
    if (how === 'wait') {
      console.error('WAITING');
      while (this.control.stopReasons.length === 0) await new Promise((done) => setTimeout(done, 5));
    }
  }
}
`;

export interface Ending {
  code: number | null;
  err: string;
  out: string;
}

/** A folder for runs of two and four ranks, with a text and the plugin \`fault\`. */
export function ranksFolder(t: ExecutionContext): string {
  const folder = textFolder(t);
  writeFileSync(path.join(folder, 'fault.ts'), fault);
  return folder;
}

/** Runs the command in its own environment; \`when\` is called with the process and its output so far. */
export function command(
  cwd: string,
  args: readonly string[],
  env: Record<string, string> = {},
  when: (said: string, kill: (signal: NodeJS.Signals) => void) => void = () => undefined,
): Promise<Ending> {
  const child = spawn(process.execPath, [commandFile, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [err, out] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (out += piece));
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    err += piece;
    when(err, (signal) => child.kill(signal));
  });
  return new Promise((resolve) => {
    child.on('close', (code) => {
      resolve({ code, err, out });
    });
  });
}

/** What must be the same in two runs of as many ranks: weights, losses, and every batch that every rank was served. */
export async function outcome(cwd: string, run: string): Promise<unknown> {
  const checkpoint = await findCheckpoint(run, cwd);
  const { state } = await readDescription(checkpoint);
  const weights = readFileSync(path.join(checkpoint, 'model.safetensors'));
  return {
    weights: createHash('sha256').update(weights).digest('hex'),
    log: readFileSync(path.join(cwd, run, 'metrics.jsonl'), 'utf8'),
    batches: [state.plugins['batch-digest'], state.others],
    run: state.run,
    random: state.random,
  };
}

const lineSchema = z.looseObject({ 'train/loss': z.number().optional() });

/** Training losses by iteration. */
export function losses(cwd: string, run: string): number[] {
  const lines = readFileSync(path.join(cwd, run, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n');
  return lines.flatMap((line) => lineSchema.parse(JSON.parse(line))['train/loss'] ?? []);
}
