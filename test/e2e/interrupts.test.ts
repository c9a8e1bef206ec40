import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { RandomStreams } from '../../core/index.js';
import { findCheckpoint } from '../../plugins/checkpoint/stored/find.js';
import { readDescription } from '../../plugins/checkpoint/stored/read.js';
import { textFolder } from '../text.js';
import { commandFile } from './command.js';
import { spawn } from 'node:child_process';

/**
 * Interruptions, each of a process; ESPALIER_SOAK asks for more. Other engines and batches are interrupted in memory:
 * `plugins/verify/resumes.test.ts`, and `npm run fuzz -- --stops N` at random.
 */
const MANY = Number(process.env['ESPALIER_SOAK'] ?? 6);
const KINDS = ['SIGTERM', 'SIGKILL', 'error'] as const;
const MOMENTS = [
  'iteration:start',
  'batch:ready',
  'gradients:ready',
  'step:ready',
  'iteration:end',
  'evaluation:start',
  'evaluation:end',
  'checkpoint:due',
];

/**
 * Ends its process as FAULT says: at a moment of an iteration, by a signal or an error, some milliseconds on.
 * In plain JavaScript: compiling TypeScript would be a fifth of what each of the many processes does.
 */
const fault = `const { EventBus, inject, On, Plugin, RunState } = require('espalier');
const [how = '', moment = '', at = '', delay = '0'] = (process.env['FAULT'] ?? '').split(',');
class Fault {
  constructor(bus, run) {
    this.bus = bus;
    this.run = run;
  }
  listen() {
    if (how === '') return;
    let done = false;
    const start = this.run.iteration;
    this.bus.listen({ plugin: 'fault', event: moment, critical: true }, async () => {
      if (done || this.run.iteration - start < Number(at)) return;
      done = true;
      if (how === 'error') throw new Error('injected');
      const kill = () => { process.kill(process.pid, how); };
      if (Number(delay) === 0) kill();
      else setTimeout(kill, Number(delay));
      await new Promise((resolve) => setTimeout(resolve, 3 * Number(delay)));
    });
  }
}
inject(EventBus)(Fault, undefined, 0);
inject(RunState)(Fault, undefined, 1);
Plugin({ name: 'fault', summary: 'ends its process', after: ['checkpoint', 'evaluation'] })(Fault);
On('run:start')(Fault.prototype, 'listen');
exports.default = Fault;
`;

interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
  err: string;
}

function train(cwd: string, settings: readonly string[], env: Record<string, string>): Promise<Ending> {
  const args = ['train', '--preset', 'debug', ...settings.flatMap((setting) => ['--set', setting])];
  const child = spawn(process.execPath, [commandFile, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (err += piece));
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      resolve({ code, signal, err });
    });
  });
}

/** What must be the same: the final weights, the loss log, and every batch served. */
async function outcome(cwd: string, run: string): Promise<unknown> {
  const checkpoint = await findCheckpoint(run, cwd);
  const { state } = await readDescription(checkpoint);
  return {
    weights: createHash('sha256')
      .update(readFileSync(path.join(checkpoint, 'model.safetensors')))
      .digest('hex'),
    log: readFileSync(path.join(cwd, run, 'metrics.jsonl'), 'utf8'),
    batches: state.plugins['batch-digest'],
    run: state.run,
    random: state.random,
  };
}

test(`interrupted ${MANY} times by signals and errors, during saves too: the run is the same`, async (t) => {
  t.timeout(600_000);
  const cwd = textFolder(t);
  writeFileSync(path.join(cwd, 'fault.cjs'), fault);
  const iterations = 6 * MANY;
  const settings = [
    'data={text: text.txt}',
    'model={n_layer: 1, n_head: 2, n_embd: 16, block_size: 16, dropout: 0.1}',
    `train={max_iters: ${iterations}, batch_size: 2, gradient_accumulation_steps: 2}`,
    `lr={decay_iters: ${iterations}}`,
    'plugins={evaluation: {interval: 10, iters: 3}, checkpoint: {interval: 3}, training-metrics: {interval: 1}, run-log: {}, progress: false, profiler: false, batch-digest: {}, "./fault.cjs": {}}',
  ];
  const whole = await train(cwd, [...settings, 'run.dir=whole'], {});
  t.is(whole.code, 0, whole.err);

  const random = new RandomStreams(MANY).at('faults', 0);
  let interrupted = 0;
  for (;;) {
    const how = KINDS[interrupted % KINDS.length] ?? 'error';
    const moment = MOMENTS[random.below(MOMENTS.length)] ?? '';
    const env = { FAULT: interrupted < MANY ? `${how},${moment},${random.below(6)},${random.below(8)}` : '' };
    const ended = await train(cwd, [...settings, 'run.dir=parts', 'resume=auto'], env);
    if (ended.code === 0) break;
    const expected = { SIGTERM: ended.code === 143, SIGKILL: ended.signal === 'SIGKILL', error: ended.code === 1 };
    if (!expected[how]) t.fail(`${how}: exit code ${ended.code}, signal ${ended.signal}: ${ended.err}`);
    interrupted++;
  }
  t.is(interrupted, MANY);
  t.deepEqual(await outcome(cwd, 'parts'), await outcome(cwd, 'whole'));
});
