import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { UsageError } from '../../../core/index.js';
import { stateSchema } from '../../../plugins/checkpoint/checkpoint/kept.js';
import { assertResumes, MemoryCheckpoints, testRun, type TestRun } from '../../../plugins/testing/contract.js';
import { emptyFolder } from '../../e2e/command.js';
import { espalier } from '../../e2e/warm.js';
import { textFolder } from '../../text.js';
import { scorePlugin } from '../batches/score-plugin.js';

/** Evaluations at 2, 4, … 10; the score is published after each, its evaluator's before. */
const scores = [1, 4, 2, 3, 0];
const evaluator = `import { Evaluators, inject, Plugin, RunState } from 'espalier';
const accuracies = ${JSON.stringify([0.1, 0.2, 0.5, 0.4, 0.3])};
@Plugin({ name: 'accuracy', summary: 'accuracy', metrics: { accuracy: { unit: 'share', what: 'accuracy' } } })
export default class Accuracy {
  static register(bindings) {
    bindings.add(Evaluators, Accuracy);
  }
  readonly name = 'accuracy';
  constructor(@inject(RunState) private readonly position: RunState) {}
  async run() {
    return { accuracy: accuracies[this.position.iteration / 2 - 1] ?? NaN };
  }
}
`;
const base = ['train.max_iters=10', 'plugins.evaluation={interval: 2, iters: 1}'];

interface Options {
  readonly checkpoints?: MemoryCheckpoints;
  readonly folder?: string;
}

async function made(t: ExecutionContext, cwd: string, set: readonly string[], options: Options = {}): Promise<TestRun> {
  const run = await testRun({ cwd, ...options, set: [...base, scorePlugin(cwd, scores), ...set] });
  t.teardown(() => run.dispose());
  return run;
}

for (const [mode, expected] of [
  ['max', ['000004', '000008']],
  ['min', ['000010', '000002']],
] as const) {
  test(`the best are those of the best values of a metric that is published after an evaluation: ${mode}`, async (t) => {
    const best = `plugins.checkpoint={best: {metric: score, mode: ${mode}}, keep: {last: 1, best: 2}}`;
    const run = await made(t, emptyFolder(t), [best]);
    await run.train();
    t.is(run.checkpoints.best, expected[0]);
    t.deepEqual(run.checkpoints.names, [...new Set(['000010', ...expected])].sort().reverse());
  });
}

test('a metric of an evaluator, or of training, can choose the best checkpoints', async (t) => {
  const cwd = emptyFolder(t);
  writeFileSync(path.join(cwd, 'accuracy.ts'), evaluator);
  const accuracy = await made(t, cwd, [
    'plugins={"./accuracy.ts": {}}',
    'plugins.checkpoint.best={metric: accuracy, mode: max}',
  ]);
  await accuracy.train();
  t.is(accuracy.checkpoints.best, '000006');
  const training = ['plugins.training-metrics.interval=1', 'plugins.checkpoint.best={metric: train/loss}'];
  const train = await made(t, cwd, training);
  await train.train();
  const [lowest] = [...train.events.metric('train/loss')].sort(([, a], [, b]) => a - b)[0] ?? [];
  t.is(train.checkpoints.best, String(lowest).padStart(6, '0'));
});

test('a resumed run has the same best checkpoints, and knows the value of its current weights', async (t) => {
  const cwd = emptyFolder(t);
  const set = [...base, scorePlugin(cwd, scores), 'plugins.checkpoint.best={metric: score, mode: max}'];
  await assertResumes({ cwd, set }, [
    { event: 'iteration:end', at: 4 },
    { event: 'metrics', at: 6 },
    { event: 'evaluation:end', at: 8 },
  ]);
  const run = await made(t, cwd, [
    'plugins.checkpoint={best: {metric: score}, keep: {last: 9}}',
    'plugins.checkpoint.interval=1',
  ]);
  await run.train();
  const measured = async (name: string): Promise<unknown> => (await run.checkpoints.read(name)).state.run.measured;
  t.deepEqual(await measured('000004'), { score: 4 });
  t.deepEqual(await measured('000005'), {});
});

test('weights that early stopping restored have the value of their checkpoint', async (t) => {
  const stopping = 'plugins.early-stopping={monitor: score, mode: max, patience: 2}';
  const run = await made(t, emptyFolder(t), [stopping, 'plugins.checkpoint.best={metric: score, mode: max}']);
  await run.train();
  const newest = await run.checkpoints.read();
  t.is(newest.state.run.iteration, 8);
  t.deepEqual(newest.state.run.measured, { score: 4 });
  t.is(run.checkpoints.best, '000004');
});

test('changing the deciding metric at a resume starts the choice of the best over', async (t) => {
  const cwd = emptyFolder(t);
  const checkpoints = new MemoryCheckpoints();
  const first = await made(t, cwd, ['train.max_iters=4'], { checkpoints });
  await first.train();
  const second = await made(t, cwd, ['plugins.checkpoint.best={metric: score, mode: max}'], { checkpoints });
  await second.train();
  t.is(checkpoints.best, '000008', 'the best of those measured since');
  const line =
    'the best checkpoints are now chosen by score (max), and were chosen by val/loss (min) before: the earlier ones no longer count';
  t.true(second.log.some((each) => each.line === line));
});

test('the state of earlier versions’ checkpoints is read as that of the validation loss', (t) => {
  const old = { best: [{ name: '000002', loss: 3 }], scheduled: 2, due: { loss: null } };
  const by = { metric: 'val/loss', mode: 'min' as const };
  const expected = { best: [{ name: '000002', value: 3 }], by, scheduled: 2, due: { value: null } };
  t.deepEqual(stateSchema.parse(old), expected);
});

test('an undeclared metric is refused with file, line and key', async (t) => {
  const cwd = textFolder(t);
  const refused = async (plugins: string): Promise<string> => {
    writeFileSync(path.join(cwd, 'my.yaml'), `extends: [debug]\ndata: { text: text.txt }\nplugins:\n${plugins}`);
    const { code, err } = await espalier(cwd, 'train', '--config', 'my.yaml');
    t.is(code, 2);
    return err;
  };
  t.regex(
    await refused('  checkpoint:\n    best:\n      metric: val/los\n'),
    /my\.yaml:6: key plugins\.checkpoint\.best\.metric: no plugin of this run publishes "val\/los": did you mean "val\/loss"\?/,
  );
  t.regex(
    await refused('  early-stopping:\n    monitor: val/los\n'),
    /my\.yaml:5: key plugins\.early-stopping\.monitor: .*"val\/loss"\?/,
  );
  const operation =
    '{ name: set_lr, value: 1, trigger: { metric: lrr, below: 1 }, max_wait_iters: 1, reevaluate: false }';
  t.regex(
    await refused(`  scaling-schedule:\n    operations:\n      - ${operation}\n`),
    /my\.yaml:5: operation 1 \(set_lr\): trigger: no plugin of this run publishes "lrr": did you mean "lr"\?/,
  );
});

test('checkpoint list shows the deciding metric, and --best uses its checkpoint', async (t) => {
  const folder = emptyFolder(t);
  const run = await made(t, folder, ['plugins.checkpoint={best: {metric: score, mode: max}, keep: {last: 2}}'], {
    folder: path.join(folder, 'out'),
  });
  await run.train();
  const { out } = await espalier(folder, 'checkpoint', 'list', 'out');
  const lines = out.trimEnd().split('\n');
  t.deepEqual(
    lines.map((line) => /^(\d+) .* (score -?\d\.\d{4}) .*?(latest|best)?$/.exec(line)?.slice(1)),
    [
      ['000010', 'score 0.0000', 'latest'],
      ['000008', 'score 3.0000', undefined],
      ['000004', 'score 4.0000', 'best'],
    ],
    out,
  );
  const json = JSON.parse((await espalier(folder, 'checkpoint', 'list', 'out', '--json')).out) as object[];
  t.like(json[2], { metric: 'score', value: 4 });
  t.is(readFileSync(path.join(folder, 'out/checkpoints/best'), 'utf8'), '000004\n');
});

test('an invalid option value is refused', async (t) => {
  const wrong = made(t, emptyFolder(t), ['plugins.checkpoint.best.mode=lowest']);
  await t.throwsAsync(wrong, { instanceOf: UsageError, message: /plugins\.checkpoint\.best\.mode/ });
});
