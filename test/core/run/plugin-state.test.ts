import test, { type ExecutionContext } from 'ava';
import { EspalierError, UsageError } from '../../../core/index.js';
import { MemoryCheckpoints, testRun, type TestRun } from '../../../plugins/testing/contract.js';
import { ownPlugin } from '../../own-plugin.js';

function runWith(t: ExecutionContext, body: string, checkpoints = new MemoryCheckpoints()): Promise<TestRun> {
  return testRun({ cwd: ownPlugin(t, { body }), plugins: ['./mine.ts'], iterations: 2, checkpoints });
}

test('arrays alone are a state: they come back when the run goes on', async (t) => {
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
    t.regex(error.message, new RegExp(`write ${lacks}\\(\\)`));
  });
}

for (const [body, told] of [
  ['state() { return { seen: new Map() }; } restore() {}', 'state.seen is of class Map, which JSON does not hold'],
  ['state() { return [1n]; } restore() {}', 'state[0] is of type bigint, which JSON does not hold'],
  [
    'stateTensors() { return new Map([["w", { shape: [2], values: new Float64Array(2) }]]); } restoreTensors() {}',
    'stateTensors() has "w" of another type',
  ],
  [
    'stateTensors() { return new Map([["w", { shape: [3], values: new Float32Array(2) }]]); } restoreTensors() {}',
    'stateTensors() has "w" of shape [3] and 2 values',
  ],
] as const) {
  test(`what a checkpoint would not give back is refused: ${told}`, async (t) => {
    await using made = await runWith(t, body);
    const { run } = made;
    const error = t.throws(() => run.snapshot(), { instanceOf: EspalierError, code: 'ESP_PLUGIN_STATE' });
    t.true(error.message.startsWith(`plugin mine cannot be kept in a checkpoint: ${told}; `), error.message);
  });
}
