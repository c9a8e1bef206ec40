import test from 'ava';
import fc from '../../property.js';
import { Engine, tf } from '../../../core/index.js';
import { causalAttention, embedding, registerOps } from '../../../plugins/index.js';
import { loadBinding } from '../../../plugins/engines/native/binding.js';
import { testRun } from '../../../plugins/testing/contract.js';
import { engineNeed, needing, skipped } from '../../needs.js';
import { attended, attendedOf, reference, turned, type Attended } from './attention-reference.js';
import { normals } from './cases.js';
import { assertClose, on } from './compare.js';
import { availableEngines, makeReady } from './engines.js';

const RUNS = 15;
/** Few runs for TensorFlow, which compiles every shape anew, and for JavaScript's slow products. */
const SLOW_RUNS = 5;
/** See variants.test.ts. */
const BF16_TOLERANCE = 6e-2;

const engines = await availableEngines();
const native = engines.find(({ name }) => name === 'native');
const bf16 = native?.works === true ? await makeReady('native', 'precision=bf16') : undefined;
await makeReady('cpu');
registerOps('cpu');

const cpu = { name: 'cpu', need: await engineNeed('cpu'), backend: 'cpu' };
for (const { name, need, backend } of [cpu, ...engines]) {
  const check = needing(need).serial;
  const numRuns = name === 'tensorflow' || name === 'cpu' ? SLOW_RUNS : RUNS;

  check(`attention of documents: engine ${name} equals float64 with a block-diagonal mask`, (t) => {
    fc.assert(
      fc.property(attended, (drawn) => {
        assertIsReference(drawn, backend);
        // Code compiled for a shape serves any documents of it.
        assertIsReference(turned(drawn), backend);
      }),
      { numRuns },
    );
    t.pass();
  });

  // Few runs: TensorFlow would compile for each length.
  if (name !== 'tensorflow')
    check(`attention of documents: engine ${name} gives each document the same result as alone in a row`, (t) => {
      fc.assert(
        fc.property(attended, (drawn) => {
          const packed = compute({ ...drawn, mask: undefined }, backend);
          const alone = aloneOf(drawn).map((each) => compute(each, backend));
          for (const [index, values] of packed.entries())
            assertClose(values, joined(alone.map((each) => each[index]!)), `tensor ${String(index)}`);
        }),
        { numRuns: Math.min(numRuns, 8) },
      );
      t.pass();
    });

  check(`attention of documents: engine ${name} refuses documents of another shape or type`, (t) => {
    on(backend, () => {
      const qkv = tf.ones<tf.Rank.R3>([2, 3, 6]);
      t.throws(() => causalAttention(qkv, 1, { documents: tf.zeros([2, 4], 'int32') }), { message: /documents/ });
      t.throws(() => causalAttention(qkv, 1, { documents: tf.zeros([2, 3]) }), {
        message: /must be int32, not float32/,
      });
    });
  });
}

if (native?.works !== true || bf16 === undefined) {
  skipped('engine native: attention of documents', await engineNeed('native'));
} else {
  const { backend } = native;
  const binding = loadBinding();

  for (const variant of binding.variants()) {
    test.serial(`attention of documents: engine native equals float64, ${variant}`, (t) => {
      binding.useVariant(variant);
      fc.assert(
        fc.property(attended, (drawn) => {
          assertIsReference(drawn, backend);
          assertIsReference(drawn, bf16, BF16_TOLERANCE);
        }),
        { numRuns: RUNS },
      );
      t.pass();
    });

    test.serial(
      `attention of documents: engine native gives the same bits as attention for a single document, ${variant}`,
      (t) => {
        binding.useVariant(variant);
        fc.assert(
          fc.property(attended, (drawn) => {
            const single = { ...drawn, documents: new Int32Array(drawn.documents.length).fill(5) };
            for (const each of [backend, bf16]) {
              t.deepEqual(compute(single, each), compute({ ...drawn, documents: undefined }, each));
            }
          }),
          { numRuns: RUNS },
        );
      },
    );
  }

  test.serial('attention of documents: engine native gives the same bits on any number of threads', (t) => {
    binding.useVariant(binding.variants()[0]!);
    const drawn = attendedOf({ batch: 3, heads: 6, keyValueHeads: 3, time: 200, part: 16, seed: 4, rate: 0.2 }, [
      [1, 130, 69],
      [200],
      [64, 64, 1, 71],
    ]);
    const bits = [1, 2, 3].map((threads) => {
      binding.setThreads(threads);
      return compute(drawn, backend);
    });
    t.deepEqual(bits[1], bits[0]);
    t.deepEqual(bits[2], bits[0]);
  });

  test.serial('attention of documents: engine native replays a pass with other documents', async (t) => {
    await using made = await testRun({ set: ['engine=native'] });
    const engine = made.run.container.resolve(Engine);
    const table = tf.tensor2d(normals(1, [9, 12])[0]!.values, [9, 12]);
    const first = [Int32Array.of(1, 2, 3, 4, 5, 6), Int32Array.of(0, 0, 0, 1, 1, 1)] as const;
    const record = ([ids, documents]: readonly [Int32Array, Int32Array]): ReturnType<NonNullable<Engine['record']>> => {
      const [given, runs] = [tf.tensor2d(ids, [2, 3], 'int32'), tf.tensor2d(documents, [2, 3], 'int32')];
      const pass = (weights: tf.Tensor): tf.Tensor =>
        causalAttention(embedding(given, weights), 2, { documents: runs });
      const compute = (): tf.Tensor[] => [tf.tidy(() => pass(table)), tf.tidy(() => tf.grad(pass)(table))];
      return engine.record!([given, runs], [], compute, () => undefined);
    };
    tf.tidy(() => {
      const { recording } = record(first);
      t.not(recording, undefined);
      for (const documents of [[0, 1, 1, 0, 0, 1], [3, 3, 3, 3, 3, 3], [0, 1, 2, 2, 2, 1], [...first[1]]]) {
        const next = [first[0], Int32Array.from(documents)] as const;
        const again = recording?.run(next, [], () => undefined) ?? [];
        t.deepEqual(
          again.map((tensor) => [...tensor.dataSync()]),
          record(next).outputs.map((tensor) => [...tensor.dataSync()]),
        );
      }
    });
    table.dispose();
  });
}

type Given = Omit<Attended, 'documents' | 'lengths'> & { readonly documents: Int32Array | undefined };

/** Returns the output and the gradient of qkv. */
function compute(given: Given, backend: string): Float32Array[] {
  const { batch, heads, keyValueHeads, time, part, qkv, dy, documents, mask } = given;
  return on(backend, () => {
    const runs = documents === undefined ? undefined : tf.tensor2d(documents, [batch, time], 'int32');
    const apply = (x: tf.Tensor): tf.Tensor =>
      causalAttention(tf.reshape(x, [batch, time, -1]), heads, { keyValueHeads, mask, documents: runs });
    const x = tf.tensor3d(qkv, [batch, time, (heads + 2 * keyValueHeads) * part]);
    const gradient = tf.grad(apply)(x, tf.tensor3d(dy, [batch, time, heads * part]));
    return [apply(x), gradient].map((tensor) => tensor.dataSync<'float32'>().slice());
  });
}

function assertIsReference(drawn: Attended, backend: string, tolerance?: number): void {
  const found = compute(drawn, backend);
  for (const [index, values] of reference(drawn).entries())
    assertClose(found[index], values, `tensor ${String(index)}`, tolerance);
}

/** Returns each document as a batch of its own. */
function aloneOf({ heads, keyValueHeads, part, time, qkv, dy, lengths }: Attended): Given[] {
  const width = heads * part;
  return lengths.flatMap((row, index) => {
    let first = index * time;
    return row.map((length): Given => {
      const begin = first;
      first += length;
      const slice = (values: Float32Array, columns: number): Float32Array =>
        values.slice(begin * columns, first * columns);
      const mask = undefined;
      return {
        ...{ batch: 1, heads, keyValueHeads, time: length, part, mask, documents: undefined },
        ...{ qkv: slice(qkv, width + 2 * keyValueHeads * part), dy: slice(dy, width) },
      };
    });
  });
}

function joined(parts: readonly Float32Array[]): Float32Array {
  return Float32Array.from(parts.flatMap((part) => [...part]));
}
