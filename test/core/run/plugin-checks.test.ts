import test, { type ExecutionContext } from 'ava';
import { checkBatch } from '../../../plugins/models/contract.js';
import { EspalierError, UsageError } from '../../../core/index.js';
import { testRun, MemoryCheckpoints, type TestRun } from '../../../plugins/testing/contract.js';
import { ownPlugin, type OwnPlugin } from '../../own-plugin.js';

/** A plugin, and its key in a config. */
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
    /the gradient of transformer\.wte\.weight is missing; a listener may only replace .* Listeners: .*mine/,
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
    /there is a gradient of "mine", which is not the name of a trained weight; /,
  ],
] as const) {
  test(`an invalid result of a plugin is refused where it is returned: ${String(told)}`, async (t) => {
    await using run = await testRun({ cwd: ownPlugin(t, plugin), iterations: 3, set: [plugin.at] });
    await t.throwsAsync(run.train(), { instanceOf: EspalierError, code, message: told });
  });
}

test('a target of -1 is ignored, an input of -1 is refused, and so are windows longer than the model’s', (t) => {
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

const bind = 'static register(bindings) { bindings.bind(espalier.LearningRate, Mine); }';
const inSlot = { options: "slot: 'lr'", at: 'lr=./mine.ts' };

async function made(t: ExecutionContext, { at, ...plugin }: OwnPlugin & { readonly at: string }): Promise<void> {
  await using run = await testRun({ cwd: ownPlugin(t, plugin), set: [at] });
  t.fail(`it is taken: ${String(run.run.state.iteration)}`);
}

test('a plugin in a slot that binds nothing is refused before a run, saying what to write', async (t) => {
  const error = await t.throwsAsync(made(t, { ...inSlot, body: 'at(iteration, base) { return base; }' }), {
    instanceOf: UsageError,
    code: 'ESP_CONTRACT_UNBOUND',
  });
  t.regex(error.message, /^plugin mine \(\/.*mine\.ts\) fills the slot lr but does not bind LearningRate: /);
  t.regex(error.message, /static register\(bindings\) \{ bindings\.bind\(LearningRate, Mine\); \}/);
});

test('a plugin that binds another contract than its slot’s is refused', async (t) => {
  const body = 'static register(bindings) { bindings.bind(espalier.ServedTokens, Mine); } at(_, base) { return base; }';
  await t.throwsAsync(made(t, { ...inSlot, body }), { code: 'ESP_CONTRACT_UNBOUND' });
});

test('missing methods of a bound contract are named', async (t) => {
  const error = await t.throwsAsync(made(t, { ...inSlot, body: `${bind} rate(_, base) { return base; }` }), {
    instanceOf: UsageError,
    code: 'ESP_CONTRACT_METHOD',
  });
  t.regex(error.message, /^plugin mine \(\/.*mine\.ts\) binds LearningRate without at\(\): /);
  const optimizer = 'static register(bindings) { bindings.bind(espalier.Optimizer, Mine); } step() {} exportState() {}';
  await t.throwsAsync(made(t, { options: "slot: 'optimizer'", at: 'optimizer=./mine.ts', body: optimizer }), {
    message: /binds Optimizer without importState\(\), carry\(\): /,
  });
});

test('missing methods of a wrapper are named', async (t) => {
  const body = 'static register(bindings) { bindings.wrap(espalier.LearningRate, Mine); }';
  await t.throwsAsync(made(t, { options: "wraps: 'lr'", at: 'plugins={"./mine.ts": {}}', body }), {
    message: /^plugin mine .* binds LearningRate without at\(\)/,
  });
});

function runWith(t: ExecutionContext, body: string, checkpoints = new MemoryCheckpoints()): Promise<TestRun> {
  return testRun({ cwd: ownPlugin(t, { body }), plugins: ['./mine.ts'], iterations: 2, checkpoints });
}

test('a state of arrays alone is restored when the run resumes', async (t) => {
  const body = `sum = Float32Array.of(0.5);
  @On('iteration:end') count() { this.sum[0] += 1; }
  stateTensors() { return new Map([['sum', { shape: [1], values: this.sum }]]); }
  restoreTensors(tensors) { this.sum = tensors.get('sum').values; }`;
  const checkpoints = new MemoryCheckpoints();
  await using first = await runWith(t, body, checkpoints);
  await first.train();
  await using second = await runWith(t, body, checkpoints);
  t.deepEqual(second.run.snapshot().plugins.get('mine')?.get('sum')?.values, Float32Array.of(2.5));
});

for (const [has, lacks] of [
  ['state', 'restore'],
  ['restore', 'state'],
  ['stateTensors', 'restoreTensors'],
  ['restoreTensors', 'stateTensors'],
] as const) {
  test(`${has}() without ${lacks}() is refused when the plugin is made`, async (t) => {
    const error = await t.throwsAsync(runWith(t, `${has}() {}`), {
      instanceOf: UsageError,
      code: 'ESP_PLUGIN_STATE',
    });
    t.regex(error.message, new RegExp(`^plugin mine \\(/.*mine\\.ts\\) has ${has}\\(\\) and no ${lacks}\\(\\): `));
    t.regex(error.message, new RegExp(`add ${lacks}\\(\\)`));
  });
}

for (const [body, told] of [
  ['state() { return { seen: new Map() }; } restore() {}', 'state.seen is of class Map, which JSON cannot store'],
  ['state() { return [1n]; } restore() {}', 'state[0] is of type bigint, which JSON cannot store'],
  [
    'stateTensors() { return new Map([["w", { shape: [2], values: new Float64Array(2) }]]); } restoreTensors() {}',
    'stateTensors() has "w" of an unsupported type',
  ],
  [
    'stateTensors() { return new Map([["w", { shape: [3], values: new Float32Array(2) }]]); } restoreTensors() {}',
    'stateTensors() has "w" of shape [3] and 2 values',
  ],
] as const) {
  test(`state that a checkpoint cannot restore is refused: ${told}`, async (t) => {
    await using made = await runWith(t, body);
    const { run } = made;
    const error = t.throws(() => run.snapshot(), { instanceOf: EspalierError, code: 'ESP_PLUGIN_STATE' });
    t.true(error.message.startsWith(`plugin mine cannot be saved in a checkpoint: ${told}; `), error.message);
  });
}
