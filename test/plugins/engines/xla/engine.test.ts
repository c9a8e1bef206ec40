import test, { type ExecutionContext } from 'ava';
import {
  createRun,
  Engine,
  Model,
  Optimizer,
  tf,
  type DropoutMask,
  type RecordedKernels,
} from '../../../../core/index.js';
import { probeEngines, shortName } from '../../../../plugins/engines/choice/choice.js';
import { embedding, gelu, layerNorm, linear, registerOps } from '../../../../plugins/index.js';
import { dropout } from '../../../../plugins/ops/contract.js';
import { XlaBackend } from '../../../../plugins/engines/xla/backend.js';
import { describeDevice, openDevice } from '../../../../plugins/engines/xla/device.js';
import { xlaKernels } from '../../../../plugins/engines/xla/kernels/index.js';
import { PjrtPlugin } from '../../../../plugins/engines/xla/pjrt/plugin.js';
import { testRun } from '../../../../plugins/testing/contract.js';
import { engineNeed, needing } from '../../../needs.js';
import { textFolder } from '../../../text.js';
import { families, maskOf, normals } from '../../ops/cases.js';
import { assertClose, compute, on } from '../../ops/compare.js';
import fc from '../../../property.js';
import { makeReady } from '../../ops/engines.js';

const need = await engineNeed('xla');
const check = needing(need).serial;

test.before(async () => {
  if (need.missing === undefined) await makeReady('xla');
  await tf.setBackend('cpu');
  registerOps('cpu');
});

const x = (...shape: number[]): tf.Tensor => tf.tensor(normals(7, shape)[0]!.values, shape);
const ids = (values: number[], shape = [values.length]): tf.Tensor => tf.tensor(values, shape, 'int32');
const truths = (...shape: number[]): tf.Tensor => tf.greater(x(...shape), 0);

/** Calls of TensorFlow.js, on odd shapes, axes and types. */
const calls: Readonly<Record<string, () => tf.Tensor | tf.Tensor[]>> = {
  'elements of floats': () => {
    const [a, b] = [x(3, 5), x(5)];
    return [
      tf.mod(a, b),
      tf.sign(a),
      tf.round(tf.mul(a, 2.5)),
      tf.step(a, 0.25),
      tf.selu(a),
      tf.relu6(tf.mul(a, 9)),
      tf.prelu(a, b),
      tf.squaredDifference(a, b),
      tf.maximum(a, b),
      tf.clipByValue(a, -0.5, 0.25),
      tf.softplus(a),
      tf.where(tf.isNaN(tf.sqrt(a)), a, tf.broadcastTo(b, [3, 5])),
    ];
  },
  'elements of integers and truths': () => {
    const [a, b] = [ids([5, -7, 9, 4]), ids([2])];
    return [
      tf.add(a, b),
      tf.floorDiv(a, b),
      tf.abs(a),
      tf.minimum(a, b),
      tf.logicalXor(truths(4), truths(4)),
      tf.cast(tf.mul(x(4), 9), 'int32'),
      tf.cast(truths(3, 3), 'float32'),
      tf.cast(a, 'bool'),
    ];
  },
  moves: () => [
    tf.tile(x(2, 3), [2, 3]),
    tf.transpose(truths(2, 3, 4), [2, 0, 1]),
    tf.reverse(x(2, 3, 4), [0, 2]),
    tf.mirrorPad(x(4, 3), [[1, 2], [2, 1]], 'reflect'), // prettier-ignore
    tf.stridedSlice(x(5, 7), [4, 0], [0, 7], [-2, 3]),
    tf.pad(ids([1, 2, 3]), [[2, 1]], 9), // prettier-ignore
    tf.slice(x(5, 7), [1, 2], [3, -1]),
  ],
  joins: () => [
    tf.concat([x(2, 3), x(2, 1)], 1),
    tf.stack([ids([1, 2]), ids([3, 4])], 1),
    ...tf.split(x(2, 7), [1, 4, 2], 1),
    ...tf.unstack(x(3, 2), 0),
  ],
  reductions: () => [
    tf.sum(x(3, 4, 5), [0, 2], true),
    tf.mean(ids([1, 2, 4])),
    tf.prod(x(3, 4), 1),
    tf.sum(truths(9)),
    tf.max(ids([3, 9, 2])),
    tf.min(x(3, 4), 0),
    tf.all(truths(3, 2), 1),
    tf.any(truths(3, 2), 0),
    tf.argMax(x(3, 7), 1),
    tf.argMin(ids([4, 1, 1])),
    tf.softmax(x(3, 7)),
    tf.cumsum(x(3, 7), 1, true, true),
    tf.cumprod(x(5), 0),
  ],
  indexed: () => [
    tf.gather(x(3, 5), ids([4, 0, 4]), 1),
    tf.gather(x(2, 5, 3), ids([1, 0, 4, 2], [2, 2]), 1, 1),
    tf.gatherND(x(3, 4), ids([2, 1, 0, 3], [2, 2])),
    tf.scatterND(ids([1, 1, 3], [3, 1]), x(3, 2), [5, 2]),
    tf.tensorScatterUpdate(x(4, 2), ids([3], [1, 1]), x(1, 2)),
    tf.unsortedSegmentSum(x(4, 3), tf.tensor1d([2, 0, 2, 1], 'int32'), 3),
    tf.oneHot(ids([1, -1, 3]), 4),
    tf.topk(x(3, 7), 3).values,
    tf.topk(x(3, 7), 3).indices,
    tf.fill([2, 3], 7, 'int32'),
  ],
  products: () => [
    tf.matMul(x(2, 3, 4), x(4, 5)),
    tf.matMul(x(1, 3, 4), x(5, 4, 2)),
    tf.matMul(x(3, 4), x(2, 4), false, true),
    tf.matMul(x(2, 4, 3), x(2, 4, 5), true, false),
    tf.einsum('bij,bkj->bik', x(2, 3, 4), x(2, 5, 4)),
    tf.fused.matMul({ a: x(3, 4), b: x(4, 5), bias: x(5) }),
  ],
  'functions of one and of two floats, on odd shapes': () =>
    [x(7), x(3, 5), x(1, 9, 2)].flatMap((a) => {
      const b = tf.reverse(a);
      const [size, equal] = [tf.add(tf.abs(a), 0.5), tf.where(tf.greater(a, 0), a, b)];
      return [
        ...[tf.expm1(a), tf.log1p(size), tf.reciprocal(size), tf.leakyRelu(a, 0.3), tf.elu(a), tf.tanh(a), tf.erf(a)],
        ...[tf.sin(a), tf.cos(a), tf.floor(a), tf.ceil(a), tf.isFinite(tf.div(a, 0)), tf.isInf(tf.div(a, 0))],
        ...[tf.floorDiv(a, size), tf.pow(size, b), tf.equal(a, equal), tf.less(a, equal), tf.lessEqual(a, equal)],
        ...[
          tf.addN([a, b, size]),
          tf.zerosLike(a),
          tf.engine().runKernel<tf.Tensor>('EluGrad', { dy: b, y: tf.elu(a) }),
        ],
      ];
    }),
  'what the host computes': () => [
    tf.acosh(tf.add(tf.abs(x(3, 2)), 1)),
    tf.image.resizeBilinear(tf.ones<tf.Rank.R3>([2, 2, 1]), [3, 3]),
  ],
};

for (const [name, call] of Object.entries(calls)) {
  check(`engine xla computes what the cpu backend computes: ${name}`, (t) => {
    const found = (backend: string): { shape: number[]; dtype: string; values: Float32Array }[] =>
      on(backend, () =>
        [call()].flat().map((y) => ({ shape: y.shape, dtype: y.dtype, values: Float32Array.from(y.dataSync()) })),
      );
    const [expected, ours] = [found('cpu'), found('xla')];
    for (const [index, { values, ...form }] of expected.entries()) {
      t.deepEqual({ shape: ours[index]?.shape, dtype: ours[index]?.dtype }, form, `result ${String(index)}`);
      assertClose(ours[index]?.values, values, `result ${String(index)}`);
    }
  });
}

check('engine xla: every kernel is compared, here or with those of operations', (t) => {
  const seen = new Set<string>();
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with `this` below
  const { run } = XlaBackend.prototype;
  XlaBackend.prototype.run = function (kernel, inputs, attributes) {
    const results = run.call(this, kernel, inputs, attributes);
    if (results !== undefined) seen.add(kernel.name);
    return results;
  };
  try {
    for (const call of Object.values(calls)) on('xla', call);
    for (const { cases } of families) for (const drawn of fc.sample(cases, 2)) compute(drawn, 'xla');
  } finally {
    XlaBackend.prototype.run = run;
  }
  // Compared in `kernels.test.ts`, and the last one in `sampling.test.ts`.
  const elsewhere = ['AccumulateAll', 'AdamWStep', 'AdamWByNorm', 'GlobalNorm', 'NextAttention'];
  for (const name of elsewhere) seen.add(`Espalier${name}`);
  t.deepEqual(
    xlaKernels().filter((name) => !seen.has(name)),
    [],
  );
});

check('engine xla: doctor names all devices', (t) => {
  const described = (...deviceKinds: string[]): string =>
    describeDevice({
      facts: { platform: 'cuda', deviceKind: deviceKinds[0]!, deviceKinds },
      plugin: { version: '0.1' },
    });
  t.is(described('H200'), 'XLA on cuda (H200), PJRT 0.1');
  t.is(described('H200', 'H200', 'A100'), 'XLA on cuda (the first of 2 × H200, 1 × A100), PJRT 0.1');
  const { deviceKind, deviceKinds } = openDevice().facts;
  t.is(deviceKinds[0], deviceKind);
  t.true(deviceKinds.every((kind) => kind === deviceKind));
});

check('engine xla: dropout has the bits that it has on other engines, also far into a batch', (t) => {
  for (const seed of [4, 5]) {
    const bits = (backend: string): Float32Array =>
      on(backend, () =>
        dropout(x(31, 17), maskOf(0.3, seed, 17))
          .dataSync<'float32'>()
          .slice(),
      );
    t.deepEqual(bits('xla'), bits('cpu'));
  }
});

check('engine xla: a recorded pass over other ids and masks gives what the function gives', async (t) => {
  const { record, weights } = await parts(t);
  const masks = [1, 2].map((key) => ({ rate: 0.5, key0: key, key1: 9 }));
  tf.tidy(() => {
    const pass = (values: number[], mask: DropoutMask): RecordedKernels => {
      const given = tf.tensor2d(values, [2, 3], 'int32');
      return record([given], [mask], (mark) => {
        const embedded = embedding(given, weights.table);
        const half = tf.mul(embedded, 0.5);
        mark('half', half);
        return [linear(gelu(dropout(layerNorm(embedded, weights.row), mask)), weights.square), tf.sum(embedded)];
      });
    };
    const numbers = (tensors: readonly tf.Tensor[]): number[][] => tensors.map((tensor) => [...tensor.dataSync()]);
    const first = pass([1, 2, 3, 4, 5, 6], masks[0]!);
    const expected = pass([6, 0, 2, 2, 1, 8], masks[1]!);
    const given: number[][] = [];
    const again = first.recording?.run([Int32Array.of(6, 0, 2, 2, 1, 8)], [masks[1]!], (_what, half) => {
      given.push([...(half?.dataSync() ?? [])]);
    });
    t.deepEqual(numbers(again ?? []), numbers(expected.outputs));
    const other = tf.tensor2d([6, 0, 2, 2, 1, 8], [2, 3], 'int32');
    t.deepEqual(given, numbers([tf.mul(embedding(other, weights.table), 0.5)]));
    for (const id of [-1, weights.table.shape[0]])
      t.throws(() => first.recording?.run([Int32Array.of(6, 0, 2, id, 1, 8)], [masks[0]!], () => undefined), {
        message: new RegExp(`^the batch has the id ${String(id)}; the model has those from 0 to `),
      });
  });
});

check('engine xla: what looks at numbers is not recorded, and nothing is left of what is', async (t) => {
  const { record, weights } = await parts(t);
  const given = tf.tensor2d([1, 2, 3], [1, 3], 'int32');
  const recordingOf = (compute: (x: tf.Tensor) => tf.Tensor): RecordedKernels => {
    const recorded = record([given], [], () => [tf.tidy(() => compute(embedding(given, weights.table)))]);
    t.true(recorded.outputs[0]!.dataSync().every(Number.isFinite), 'it is computed in any case');
    tf.dispose(recorded.outputs);
    return recorded;
  };
  t.is(recordingOf((y) => tf.mul(y, y.dataSync()[0] ?? NaN)).recording, undefined);
  t.is(recordingOf((y) => tf.add(y, weights.table.dataSync()[0] ?? NaN)).recording, undefined);
  t.is(recordingOf((y) => tf.asinh(y)).recording, undefined, 'a kernel of the host');
  t.is(recordingOf((y) => dropout(y, { rate: 0.5, key0: 1, key1: 2 })).recording, undefined, 'an unknown mask');
  const { recording } = recordingOf((y) => linear(gelu(y), weights.square));
  const before = [tf.memory().numTensors, tf.backend().numDataIds()];
  for (let i = 0; i < 3; i++) tf.dispose(recording?.run([Int32Array.of(3, 2, 1)], [], () => undefined) ?? []);
  t.deepEqual([tf.memory().numTensors, tf.backend().numDataIds()], before);
  t.throws(() => recording?.run([], [], () => undefined), { message: /need input 1/ });
  weights.table.dispose();
  t.is(
    recording?.run([Int32Array.of(3, 2, 1)], [], () => undefined),
    undefined,
    'a weight that is gone',
  );
  recording?.end?.();
  given.dispose();
});

check(
  'engine xla: a run has the losses that it has on the cpu engine, and waits for the device once an iteration',
  async (t) => {
    const train = async (engine: string): Promise<{ losses: Float32Array; skipped: unknown[]; calls: string[][] }> => {
      // Not `testRun`, whose recorder looks at each micro-batch's loss.
      await using run = await createRun({
        cwd: textFolder(t),
        presets: 'debug',
        set: [
          `engine=${engine}`,
          'data={text: text.txt}',
          'model={n_layer: 1, n_head: 2, n_embd: 16, block_size: 8, vocab_size: null, dropout: 0.1}',
          'train={max_iters: 6, batch_size: 4, gradient_accumulation_steps: 2}',
          'plugins={checkpoint: false, evaluation: {interval: 3, iters: 1}}',
          'plugins.health.non_finite={loss: skip, gradients: skip}',
        ],
      });
      const [losses, skipped, calls]: [number[], unknown[], string[][]] = [[], [], [[]]];
      let kept: ArrayLike<number> | undefined;
      run.on('iteration:end', (end) => {
        const scale = run.container.resolve(Model).parameters().get('transformer.ln_f.weight')!;
        const fill = (values: ArrayLike<number>): void => {
          tf.tidy(() => {
            scale.assign(tf.tensor1d(Float32Array.from(values)));
          });
        };
        // The step of iteration 2 has no finite norm.
        if (end.iteration === 1) {
          kept = scale.dataSync().slice();
          fill(Array<number>(scale.size).fill(3e38));
        }
        if (end.iteration === 2) fill(kept!);
        if (end.skipped === undefined) losses.push(end.loss);
        skipped.push(end.skipped);
        calls.push([]);
      });
      // eslint-disable-next-line @typescript-eslint/unbound-method -- called with `this` below
      const { call } = PjrtPlugin.prototype;
      PjrtPlugin.prototype.call = function (name, values) {
        calls.at(-1)?.push(name);
        return call.call(this, name, values);
      };
      await run.train().finally(() => (PjrtPlugin.prototype.call = call));
      return { losses: Float32Array.from(losses), skipped, calls };
    };
    const [expected, ours] = [await train('cpu'), await train('xla')];
    t.is(ours.losses.length, 5);
    t.regex(String(ours.skipped[2]), /loss/, 'listeners see a step whose norm is not finite before it is taken');
    t.deepEqual(ours.skipped, expected.skipped);
    assertClose(ours.losses, expected.losses, 'loss');
    // A pass whose gradients are scaled; a pass with the sums, the norm and AdamW. Then both losses and the norm.
    const steps = ['LoadedExecutable_Execute', 'Buffer_ToHostBuffer'];
    t.deepEqual(
      ours.calls[4]?.filter((name) => steps.includes(name)),
      [0, 0, 1, 1, 1].map((index) => steps[index]),
    );
  },
);

check('engine xla: after training and checkpoints, weights and moments are on the device alone', async (t) => {
  await using run = await testRun({ config: { engine: { use: 'xla' }, model: { n_embd: 64 } } });
  await run.train();
  t.true(run.checkpoints.names.length > 0);
  await tf.setBackend('xla');
  const backend = tf.backend();
  if (!(backend instanceof XlaBackend)) return t.fail();
  const { tensors } = run.run.container.resolve(Optimizer).exportState();
  const datas = [...run.run.model.parameters().values(), ...tensors.values()].map(({ dataId }) =>
    backend.dataOf(dataId),
  );
  const large = datas.filter(({ isLarge }) => isLarge);
  t.true(large.length >= 12);
  t.true(large.every(({ host }) => host === undefined));
});

check('engine xla is no choice of auto', async (t) => {
  const engines = await probeEngines();
  t.is(
    engines.findIndex(({ plugin }) => shortName(plugin) === 'xla'),
    engines.length - 1,
  );
  t.is(engines.at(-1)?.probe.gpu, undefined);
});

interface Parts {
  readonly record: (
    inputs: readonly tf.Tensor[],
    masks: readonly DropoutMask[],
    compute: Parameters<NonNullable<Engine['record']>>[2],
  ) => RecordedKernels;
  readonly weights: { readonly table: tf.Tensor2D; readonly square: tf.Variable; readonly row: tf.Tensor };
}

async function parts(t: ExecutionContext): Promise<Parts> {
  const made = await testRun({ set: ['engine=xla'] });
  t.teardown(() => made.dispose());
  const engine = made.run.container.resolve(Engine);
  return {
    record: (inputs, masks, compute) => engine.record!(inputs, masks, compute, () => undefined),
    weights: { table: x(9, 4) as tf.Tensor2D, square: tf.variable(x(4, 4)), row: x(4) },
  };
}
