import test from 'ava';
import { checkBatch } from '../../../core/run/batches.js';
import { EspalierError } from '../../../core/index.js';
import { testRun } from '../../../plugins/testing/contract.js';
import { ownPlugin, type OwnPlugin } from '../../own-plugin.js';

/** A plugin, and how a config names it. */
interface Given extends OwnPlugin {
  readonly at: string;
}

const schedule = (at: string): Given => ({
  options: "slot: 'lr'",
  at: 'lr=./mine.ts',
  body: `static register(bindings) { bindings.bind(espalier.LearningRate, Mine); } at(iteration, base) { ${at} }`,
});

const strategy = (batch: string): Given => ({
  options: "slot: 'batches'",
  at: 'batches=./mine.ts',
  body: `static register(bindings) { bindings.bind(espalier.BatchSource, Mine); }
  next({ batchSize, blockSize }) { const ids = (n, id) => new Int32Array(n).fill(id), size = batchSize * blockSize; return { batchSize, blockSize, ${batch} }; }
  evaluation(split, index, shape) { return this.next(shape); }
  progress() { return { shard: 0, position: 0 }; }
  state() { return 0; } restore() {}`,
});

const gradients = (change: string): Given => ({
  at: 'plugins={"./mine.ts": {}}',
  body: `@On('gradients:ready') change({ gradients }) { const name = 'transformer.wte.weight', old = gradients.get(name); ${change}; old.dispose(); }`,
});

for (const [plugin, code, told] of [
  [
    schedule('return iteration === 1 ? NaN : base'),
    'ESP_LEARNING_RATE',
    /^plugin mine gave the learning rate NaN for iteration 1 \(base 0\.\d+\): at\(iteration, base\) must return a finite/,
  ],
  [
    strategy('inputs: ids(size, 5), targets: ids(7, 5)'),
    'ESP_BATCH',
    /^the batch that plugin mine gave.*: its targets are 7 ids, for \d+ windows of \d+; give an Int32Array of \d+/,
  ],
  [
    strategy('inputs: ids(size, 500), targets: ids(size, 5)'),
    'ESP_BATCH',
    /^the batch that plugin mine gave.*: its inputs have the id 500 at row 0, position 0; ids are from 0 to \d+/,
  ],
  [
    gradients('gradients.delete(name)'),
    'ESP_GRADIENTS',
    /there is no gradient of transformer\.wte\.weight; a listener may replace .* Plugins that listen: .*mine/,
  ],
  [
    gradients('gradients.set(name, espalier.tf.zeros([3]))'),
    'ESP_GRADIENTS',
    /the gradient of transformer\.wte\.weight is \[3\], and the weight \[\d+,\d+\]; /,
  ],
  [gradients(''), 'ESP_GRADIENTS', /the gradient of transformer\.wte\.weight is disposed; /],
  [
    gradients('gradients.set("mine", espalier.tf.clone(old)); gradients.set(name, espalier.tf.clone(old))'),
    'ESP_GRADIENTS',
    /there is a gradient of "mine", which no weight that is trained is called; /,
  ],
] as const) {
  test(`what a plugin gives the loop is looked at where it gives it: ${String(told)}`, async (t) => {
    await using run = await testRun({ cwd: ownPlugin(t, plugin), iterations: 3, set: [plugin.at] });
    await t.throwsAsync(run.train(), { instanceOf: EspalierError, code, message: told });
  });
}

test('a target of -1 is ignored, an input of -1 is none; windows are no longer than the model', (t) => {
  const model = { blockSize: 2, vocabSize: 3 };
  const check = (inputs: number[], targets: number[], blockSize = 2): void => {
    checkBatch(
      { inputs: Int32Array.from(inputs), targets: Int32Array.from(targets), batchSize: 1, blockSize },
      model,
      () => 'it',
    );
  };
  check([0, 2], [-1, 2]);
  t.throws(
    () => {
      check([-1, 2], [0, 0]);
    },
    { message: /^it: its inputs have the id -1 at row 0, position 0; ids are from 0 to 2/ },
  );
  t.throws(
    () => {
      check([0, 0], [0, 3]);
    },
    { message: /its targets have the id 3 at row 0, position 1; ids are from -1 to 2/ },
  );
  t.throws(
    () => {
      check([0, 0, 0], [0, 0, 0], 3);
    },
    { message: /its windows are 3 long; the model takes at most 2/ },
  );
});
