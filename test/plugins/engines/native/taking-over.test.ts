import test from 'ava';
import type { LoadedCheckpoint, StoredTensor } from '../../../../core/index.js';
import { tensorMemory } from '../../../../plugins/engines/contract.js';
import { loadBinding } from '../../../../plugins/engines/native/binding.js';
import { nativeBackend } from '../../../../plugins/engines/native/kernels/index.js';
import { FloatPool } from '../../../../plugins/engines/native/pool.js';
import { testRun } from '../../../../plugins/testing/contract.js';
import { tf } from '../../../../core/index.js';
import { engineNeed, skipped } from '../../../needs.js';
import { availableEngines } from '../../ops/engines.js';

const native = (await availableEngines()).find(({ name }) => name === 'native');
const set = ['engine=native'];
const NORMS = ['transformer.h.0.ln_1.weight', 'transformer.h.0.ln_2.weight'] as const;

if (native?.works !== true) {
  skipped('engine native: taking over arrays:', await engineNeed('native'));
} else {
  test.serial(
    'engine native: a run that takes over a checkpoint’s arrays trains like one that copies them',
    async (t) => {
      await using whole = await testRun({ set });
      await whole.train();
      for (const takeOver of [false, true]) {
        const from = inTensorMemory(await whole.checkpoints.read('000003'));
        const before = copied(from);
        await using resumed = await testRun({ set });
        resumed.run.restore(from, { takeOver });
        t.deepEqual(copied(from), before);
        await resumed.train();
        t.deepEqual(resumed.weights(), whole.weights());
        t.deepEqual(optimizerOf(resumed), optimizerOf(whole));
        if (takeOver) t.notDeepEqual(copied(from), before, 'their memory is the run’s');
        else t.deepEqual(copied(from), before, 'others may read them');
      }
    },
  );

  test.serial('engine native: an array shared by two weights is taken over by one of them', async (t) => {
    await using run = await testRun({ set, iterations: 1 });
    const weights = new Map<string, StoredTensor>();
    for (const [name, values] of run.weights()) weights.set(name, { values, shape: shapeOf(run.run.model, name) });
    const shared = { shape: [16], values: new Float32Array(tensorMemory(64), 0, 16).fill(1.5) };
    for (const name of NORMS) weights.set(name, shared);
    run.run.loadWeights({ path: 'shared', weights }, { takeOver: true });
    await run.train();
    const [one, other] = NORMS.map((name) => run.weights().get(name));
    t.notDeepEqual(one, other);
  });

  test.serial('engine native: memory that was taken over is reused when its tensor is disposed', (t) => {
    const pool = new FloatPool(loadBinding());
    const values = new Float32Array(tensorMemory(4000), 0, 1000);
    t.true(pool.takeOver(values));
    pool.own(values, {});
    t.false(pool.takeOver(values), 'it is the pool’s');
    pool.giveBack(values);
    t.is(pool.take(1000).buffer, values.buffer);
    t.false(pool.takeOver(new Float32Array(1001)), 'no size of the pool');
    t.false(pool.takeOver(new Float32Array(new ArrayBuffer(4096), 1024, 512)), 'part of an array');
  });

  test.serial('engine native: an array that cannot be taken over is copied', async (t) => {
    await using run = await testRun({ set });
    const backend = nativeBackend(tf.findBackend(run.run.engine.backend));
    for (const values of [new Float32Array(1001), new Float32Array(tensorMemory(4004), 0, 1001)]) {
      values.fill(2);
      const tensor = backend.takeOver(values, [1001]);
      const isCopy = backend.floats(tensor) !== values;
      t.is(isCopy, values.buffer.byteLength === 4004);
      t.deepEqual(tensor.dataSync(), new Float32Array(1001).fill(2));
      tensor.dispose();
    }
  });

  test.serial('engine native: values survive the move of their memory to large pages', async (t) => {
    const binding = loadBinding();
    const values = new Float32Array(binding.allocate(2 ** 23, false));
    for (const index of values.keys()) values[index] = index;
    const moved = binding.useLargePages(values.buffer);
    values[5] = -1;
    await moved;
    t.is(
      values.findIndex((value, index) => value !== index),
      5,
    );
    await binding.useLargePages(new ArrayBuffer(64));
    const useLargePages: unknown = Reflect.get(binding, 'useLargePages');
    if (typeof useLargePages !== 'function') return t.fail('no useLargePages');
    t.throws(() => void Reflect.apply(useLargePages, binding, [values]), { message: /must be an ArrayBuffer/ });
  });
}

type Tensors = ReadonlyMap<string, StoredTensor>;

/** A checkpoint with its arrays in memory as `readCheckpoint` allocates it. */
function inTensorMemory(from: LoadedCheckpoint): LoadedCheckpoint {
  const moved = (tensors: Tensors): Map<string, StoredTensor> =>
    new Map(
      [...tensors].map(([name, { shape, values }]) => {
        const to = new Float32Array(tensorMemory(values.byteLength), 0, values.length);
        to.set(values);
        return [name, { shape, values: to }];
      }),
    );
  const { weights, optimizer } = from;
  return { ...from, weights: moved(weights), optimizer: { ...optimizer, tensors: moved(optimizer.tensors) } };
}

function copied({ weights, optimizer }: LoadedCheckpoint): [string, number[]][] {
  return [...weights, ...optimizer.tensors].map(([name, { values }]) => [name, [...values]]);
}

function optimizerOf({ run }: Awaited<ReturnType<typeof testRun>>): [string, number[]][] {
  return [...run.snapshot().optimizer.tensors].map(([name, tensor]) => [name, [...tensor.dataSync<'float32'>()]]);
}

function shapeOf(model: Awaited<ReturnType<typeof testRun>>['run']['model'], name: string): number[] {
  return model.parameters().get(name)?.shape ?? [];
}
