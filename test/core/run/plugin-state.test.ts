import test from 'ava';
import { findCheckpoint } from '../../../plugins/checkpoint/stored/find.js';
import { readCheckpoint } from '../../../plugins/checkpoint/stored/read.js';
import { EspalierError, UsageError } from '../../../core/index.js';
import { textFolder } from '../../text.js';
import { runWithOwn } from './own-plugin.js';

test('arrays alone are a state: they come back when the run goes on', async (t) => {
  const folder = textFolder(t);
  const body = `sum = Float32Array.of(0.5);
  @On('iteration:end') count() { this.sum[0] += 1; }
  stateTensors() { return new Map([['sum', { shape: [1], values: this.sum }]]); }
  restoreTensors(tensors) { this.sum = tensors.get('sum').values; }`;
  const first = await runWithOwn(t, { body, folder });
  await first.run.setUp();
  await first.run.train();
  const second = await runWithOwn(t, { body, folder });
  await second.run.setUp();
  second.run.restore(await readCheckpoint(await findCheckpoint('run', folder)));
  t.deepEqual(second.run.snapshot().plugins.get('mine')?.get('sum')?.values, Float32Array.of(2.5));
});

for (const [has, lacks] of [
  ['state', 'restore'],
  ['restore', 'state'],
  ['stateTensors', 'restoreTensors'],
  ['restoreTensors', 'stateTensors'],
] as const) {
  test(`${has}() without ${lacks}() is refused when the plugin is made`, async (t) => {
    const error = await t.throwsAsync(runWithOwn(t, { body: `${has}() {}` }), {
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
    const { run } = await runWithOwn(t, { body });
    await run.setUp();
    const error = t.throws(() => run.snapshot(), { instanceOf: EspalierError, code: 'ESP_PLUGIN_STATE' });
    t.true(error.message.startsWith(`plugin mine cannot be kept in a checkpoint: ${told}; `), error.message);
  });
}
