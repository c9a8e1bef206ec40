import test, { type ExecutionContext } from 'ava';
import fc from '../../../property.js';
import { accumulate, Engine, tf, type DropoutMask, type Mark, type RecordedKernels } from '../../../../core/index.js';
import { embedding, gelu, layerNorm, linear, rmsNorm, swiglu } from '../../../../plugins/index.js';
import { dropout } from '../../../../plugins/ops/contract.js';
import { availableEngines } from '../../ops/engines.js';
import { engineNeed, skipped } from '../../../needs.js';
import { testRun } from '../../../../plugins/testing/contract.js';

const native = (await availableEngines()).find(({ name }) => name === 'native');

if (native?.works !== true) {
  skipped('engine native: recorded kernels:', await engineNeed('native'));
} else {
  test.serial('engine native: recorded kernels replayed with other ids equal the function', async (t) => {
    const { engine, weights } = await parts(t);
    const ids = fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 6, maxLength: 6 });
    const steps = fc.array(fc.constantFrom(...Object.keys(OPERATIONS)), { minLength: 1, maxLength: 8 });
    const keys = fc.record({ key0: fc.nat(), key1: fc.nat() });
    fc.assert(
      fc.property(steps, ids, ids, keys, keys, (names, first, second, keys0, keys1) => {
        const masks = [keys0, keys1].map((each) => ({ rate: 0.5, ...each }));
        const [mask, otherMask] = [masks[0]!, masks[1]!];
        tf.tidy(() => {
          const recorded = record(engine, weights, names, first, mask);
          const kept = recorded.outputs.map((tensor) => [...tensor.dataSync()]);
          // First the kernels run, then only their calls; each time with new numbers.
          for (const [numbers, keys] of [
            [second, otherMask] as const,
            [first, mask] as const,
            [second, mask] as const,
          ]) {
            const again = recorded.recording?.run([Int32Array.from(numbers)], [keys], () => undefined) ?? [];
            const expected = record(engine, weights, names, numbers, keys).outputs;
            t.deepEqual(
              again.map((tensor) => [...tensor.dataSync()]),
              expected.map((tensor) => [...tensor.dataSync()]),
            );
          }
          t.deepEqual(
            recorded.outputs.map((tensor) => [...tensor.dataSync()]),
            kept,
            'what was made while recording stays',
          );
        });
      }),
      { numRuns: 60 },
    );
  });

  test.serial('engine native: passes that cannot be replayed are not, and recordings leak nothing', async (t) => {
    const { engine, weights } = await parts(t);
    const ids = tf.tensor2d([1, 2, 3], [1, 3], 'int32');
    const recordingOf = (compute: (x: tf.Tensor) => tf.Tensor): RecordedKernels['recording'] => {
      const recorded = engine.record?.(
        [ids],
        [],
        () => [tf.tidy(() => compute(embedding(ids, weights.table)))],
        () => undefined,
      );
      tf.dispose(recorded?.outputs ?? []);
      return recorded?.recording;
    };
    t.not(
      recordingOf((x) => gelu(x)),
      undefined,
    );
    t.is(
      recordingOf((x) => tf.acosh(x)),
      undefined,
      'a kernel of the cpu backend',
    );
    t.is(
      recordingOf((x) => tf.mul(x, x.dataSync()[0] ?? NaN)),
      undefined,
      'numbers that JavaScript looked at',
    );
    t.is(
      recordingOf((x) => accumulate(x, x, 2)),
      undefined,
      'a tensor that is changed',
    );
    t.is(
      recordingOf((x) => dropout(x, { rate: 0.5, key0: 1, key1: 2 })),
      undefined,
      'a mask that is not among those given',
    );
    t.is(
      recordingOf(() => tf.clone(weights.table)),
      undefined,
      'a tensor that was there before',
    );
    const handingOver = (after: (x: tf.Tensor, half: tf.Tensor) => tf.Tensor): RecordedKernels['recording'] => {
      const compute = (mark: Mark): tf.Tensor[] => {
        const x = embedding(ids, weights.table);
        const half = tf.mul(x, 0.5);
        mark('half', half);
        return [after(x, half)];
      };
      return engine.record?.([ids], [], compute, () => undefined).recording;
    };
    const given: unknown[] = [];
    tf.tidy(() => {
      t.is(
        handingOver((x, half) => tf.add(x, half)),
        undefined,
        'a tensor that is handed over and read afterwards',
      );
      handingOver((x) => tf.add(x, x))?.run([Int32Array.of(3, 2, 1)], [], (what, half) => {
        given.push(what, half?.arraySync());
      });
    });
    t.deepEqual(given, ['half', tf.tidy(() => tf.mul(tf.gather(weights.table, [[3, 2, 1]]), 0.5).arraySync())]);

    const recording = recordingOf((x) => linear(gelu(x), weights.square));
    const before = [tf.memory().numTensors, tf.backend().numDataIds()];
    for (let i = 0; i < 3; i++) tf.dispose(recording?.run([Int32Array.of(3, 2, 1)], [], () => undefined) ?? []);
    t.deepEqual([tf.memory().numTensors, tf.backend().numDataIds()], before);
    t.throws(() => recording?.run([], [], () => undefined), { message: /need input 1/ });
    t.throws(() => recording?.run([Int32Array.of(3, 2, 99)], [], () => undefined), { message: /holds 99/ });
    t.deepEqual([tf.memory().numTensors, tf.backend().numDataIds()], before);
    weights.square.dispose();
    t.is(
      recording?.run([Int32Array.of(3, 2, 1)], [], () => undefined),
      undefined,
      'a weight that is gone',
    );
  });
}

interface Weights {
  readonly table: tf.Tensor2D;
  readonly square: tf.Tensor2D;
  readonly row: tf.Tensor1D;
}

const OPERATIONS: Record<string, (x: tf.Tensor, weights: Weights, mask: DropoutMask) => tf.Tensor> = {
  gelu: (x) => gelu(x),
  norm: (x, { row }) => layerNorm(x, row, row),
  rms: (x, { row }) => rmsNorm(x, row),
  gated: (x) => swiglu(x, tf.add(x, x)),
  linear: (x, { square, row }) => linear(x, square, { bias: row, residual: x }),
  twice: (x) => tf.add(x, x),
  half: (x) => tf.mul(x, 0.5),
  shaped: (x) => tf.reshape(tf.add(tf.reshape(x, [6, 4]), tf.reshape(x, [6, 4])), [2, 3, 4]),
  dropout: (x, _weights, mask) => dropout(x, mask),
};

async function parts(t: ExecutionContext): Promise<{ engine: Engine; weights: Weights }> {
  const made = await testRun({ set: ['engine=native'] });
  t.teardown(() => made.dispose());
  const { run } = made;
  const weights: Weights = {
    table: tf.tensor2d(
      Array.from({ length: 36 }, (_, i) => Math.sin(i)),
      [9, 4],
    ),
    square: tf.tensor2d(
      Array.from({ length: 16 }, (_, i) => Math.cos(i)),
      [4, 4],
    ),
    row: tf.tensor1d([1, -0.5, 2, 0.25]),
  };
  return { engine: run.container.resolve(Engine), weights };
}

/** Operations in sequence on embedded ids [2, 3]; every result is an output. */
function record(
  engine: Engine,
  weights: Weights,
  names: readonly string[],
  values: readonly number[],
  mask: DropoutMask,
): RecordedKernels {
  const ids = tf.tensor2d([...values], [2, 3], 'int32');
  const compute = (): tf.Tensor[] => {
    let x: tf.Tensor = embedding(ids, weights.table);
    return names.map((name) => (x = OPERATIONS[name]?.(x, weights, mask) ?? x));
  };
  return engine.record?.([ids], [mask], compute, () => undefined) ?? { outputs: [], recording: undefined };
}
