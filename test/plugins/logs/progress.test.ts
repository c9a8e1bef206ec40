import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { RunState, Terminal, type LogLevel } from '../../../core/index.js';
import { makeRun } from '../../../core/run/make.js';
import { textFolder } from '../../text.js';

/** A terminal that records what is written to it, live or not. */
class Recorder extends Terminal {
  override readonly live: boolean;
  readonly lines: string[] = [];
  readonly statuses: (string | null)[] = [];

  constructor(live: boolean) {
    super({ quiet: true });
    this.live = live;
  }

  override line(text: string, _level?: LogLevel): void {
    this.lines.push(text);
  }

  override status(text: string | null): void {
    this.statuses.push(text);
  }
}

async function trained(t: ExecutionContext, live: boolean, ...set: string[]): Promise<Recorder> {
  const terminal = new Recorder(live);
  const { run } = await makeRun({
    cwd: textFolder(t),
    presets: ['debug'],
    set: [
      'engine=auto',
      'data.text=text.txt',
      'model={n_layer: 1, n_embd: 8, n_head: 1, block_size: 8}',
      'train={max_iters: 7, batch_size: 2}',
      'plugins.evaluation={interval: 4, iters: 1}',
      'plugins.checkpoint=false',
      'plugins.profiler=false',
      'plugins.progress.interval=3',
      ...set,
    ],
    terminal,
  });
  t.teardown(() => run.dispose());
  await run.setUp();
  await run.train();
  await run.dispose();
  t.is(run.container.resolve(RunState).iteration, 7);
  return terminal;
}

const facts =
  /iteration (\d+)\/7 {2}loss \d+\.\d{4} {2}lr \d\.\d{2}e[+-]\d+ {2}[\d,]+ tokens\/s {2}(\d+h)?(\d+m)?\d+s left$/;

test('without a terminal, plain lines are printed at the first iteration, each interval and the end', async (t) => {
  const { lines, statuses } = await trained(t, false);
  const shown = lines.filter((line) => line.includes('tokens/s'));
  t.deepEqual(
    shown.map((line) => facts.exec(line)?.[1]),
    ['1', '3', '6', '7'],
    shown.join('\n'),
  );
  t.true(shown.every((line) => line.startsWith('iteration ')));
  t.true(statuses.every((status) => status === null));
  // Escape and carriage return have no place in a log.
  t.true(lines.every((line) => !line.includes('\u001b') && !line.includes('\r')));
});

test('on a terminal, one live line with a bar shows each iteration and evaluation, and is removed at the end', async (t) => {
  const { lines, statuses } = await trained(t, true);
  const shown = statuses.filter((status) => status !== null);
  const evaluated = ['evaluating  train loss, 1/1', 'evaluating  val loss, 1/1'];
  t.deepEqual(
    shown.map((line) => facts.exec(line)?.[1] ?? line.replace(/^█+ /, '')),
    ['1', '2', '3', '4', ...evaluated, '4', '5', '6', '7', ...evaluated, '7'],
    shown.join('\n'),
  );
  t.deepEqual(
    shown
      .filter((line) => !line.includes('evaluating'))
      .map((line) => /^(█*)(░*) /.exec(line)?.slice(1, 3))
      .map((cells) => cells?.map(({ length }) => length)),
    [3, 6, 9, 11, 11, 14, 17, 20, 20].map((full) => [full, 20 - full]),
  );
  t.regex(shown.at(-1) ?? '', / 0s left$/);
  t.is(statuses.at(-1), null);
  t.false(lines.some((line) => line.includes('tokens/s')));
});

test('the data and each evaluation are logged, live or not', async (t) => {
  for (const live of [true, false]) {
    const { lines } = await trained(t, live);
    t.regex(lines.join('\n'), /^data: text\.txt: 4,050 training and 450 validation tokens, vocabulary of 28$/m);
    // 28 and 8 rows of embeddings, three norms, 4 w² of attention and 8 w² of the MLP, w = 8.
    t.regex(lines.join('\n'), /^model: 1,080 parameters; training from iteration 0 to 7$/m);
    const evaluations = lines.map(
      (line) => /^iteration (\d+): train loss \d\.\d{4}, val loss \d\.\d{4}$/.exec(line)?.[1],
    );
    t.deepEqual(
      evaluations.filter((at) => at !== undefined),
      ['4', '7'],
    );
  }
});

test('the speed is tokens per time, and the time left is that of the remaining iterations at that speed', async (t) => {
  const terminal = new Recorder(true);
  const { run } = await makeRun({
    cwd: textFolder(t),
    presets: ['debug'],
    set: ['engine=auto', 'data.text=text.txt', 'plugins.run-log=false'],
    terminal,
  });
  t.teardown(() => run.dispose());
  await run.setUp();
  const state = run.container.resolve(RunState);
  state.tokens = 5000;
  const before = performance.now();
  await run.bus.dispatch('run:start', { state, maxIters: 100, resumedFrom: undefined });
  await setTimeout(200);
  const facts = {
    iteration: 19,
    maxIters: 100,
    loss: 1,
    terms: {},
    targets: 8,
    gradNorm: 1,
    learningRate: 1,
    tokens: 6000,
  };
  await run.bus.dispatch('iteration:end', facts);
  const seconds = (performance.now() - before) / 1000;
  // On a busy machine the pause takes longer, and there are minutes left.
  const [, speed = '', minutes = '0', rest = ''] =
    /([\d,]+) tokens\/s {2}(?:(\d+)m)?(\d+)s left/.exec(terminal.statuses.at(-1) ?? '') ?? [];
  const left = 60 * Number(minutes) + Number(rest);
  // It measured a little less than what was measured around it, and at least the pause (timers may be 1 ms early).
  t.true(Number(speed.replaceAll(',', '')) >= Math.floor(1000 / seconds), speed);
  t.true(Number(speed.replaceAll(',', '')) <= 1000 / 0.199, speed);
  t.true(left >= 16 && left <= Math.ceil(80 * seconds), String(left));
});
