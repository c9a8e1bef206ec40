import { fileURLToPath } from 'node:url';
import test from 'ava';
import { Model, tf } from '../../../core/index.js';
import { makeRun } from '../../../core/run/make.js';
import { registerOps } from '../../../plugins/index.js';
import { engineNeed, needing } from '../../needs.js';
import { normals } from './cases.js';
import { assertClose, on } from './compare.js';
import { availableEngines } from './engines.js';

const VOCABULARY = 23;
/** Tolerance for a pass through the whole model, relative to a tensor's largest number. */
const TOLERANCE = 1e-4;

const engines = await availableEngines();

test.before(async () => {
  await tf.setBackend('cpu');
  registerOps('cpu');
});

for (const { name, need, backend } of [...engines, { name: 'cpu', need: await engineNeed('cpu'), backend: 'cpu' }]) {
  needing(need).serial(
    `engine ${name}: a model of fused operations has the same loss and gradients as a plain one`,
    async (t) => {
      const plain = await lossAndGradients('plain-llama', 'cpu', 'cpu');
      const fused = await lossAndGradients('fused-llama', name, backend);
      t.deepEqual([...fused.keys()].sort(), [...plain.keys()].sort());
      for (const [weight, values] of plain) {
        const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        t.true(largest > 0, weight);
        // Scaled, because differences are relative to 1 if the largest number is smaller.
        const [found, expected] = [fused.get(weight) ?? new Float32Array(), values].map((x) =>
          x.map((value) => value / largest),
        );
        assertClose(found, expected!, weight, TOLERANCE);
      }
    },
  );
}

/** By weight, and `loss`, for equal weights in either model. */
async function lossAndGradients(fixture: string, engine: string, backend: string): Promise<Map<string, Float32Array>> {
  const file = fileURLToPath(new URL(`../../../../test/fixtures/${fixture}.ts`, import.meta.url));
  const { run } = await makeRun({
    cwd: import.meta.dirname,
    presets: ['base'],
    set: [
      `model={use: ${file}, n_layer: 2, n_head: 2, n_embd: 24, n_hidden: 40, block_size: 19}`,
      `engine=${engine}`,
      'precision=f32',
    ],
    only: ['engine', 'model'],
  });
  await run.setUp(VOCABULARY);
  const model = run.container.resolve(Model);
  const found = on(backend, () => {
    for (const [name, weight] of model.parameters()) {
      weight.assign(joined(name, weight.shape));
    }
    const [ids, targets] = [7, 5].map((factor) =>
      tf.tensor2d(
        Int32Array.from({ length: 3 * 19 }, (_, i) => (i * i * factor) % VOCABULARY),
        [3, 19],
        'int32',
      ),
    );
    const { value, grads } = tf.variableGrads(() => model.loss(ids!, targets!), [...model.parameters().values()]);
    const gradients = [...model.parameters()].flatMap(([name, { name: key }]) => apart(name, grads[key]!));
    return new Map(
      [['loss', value] as const, ...gradients].map(([name, x]) => [name, x.dataSync<'float32'>().slice()]),
    );
  });
  await run.dispose();
  return found;
}

/** Weights that the fused model joins into one. */
const parts: Readonly<Record<string, readonly string[]>> = { qkv: ['q', 'k', 'v'] };

function joined(name: string, [rows = 1, columns]: readonly number[]): tf.Tensor {
  const [layer, last = ''] = name.split('.');
  const of = parts[last]?.map((part) => `${String(layer)}.${part}`) ?? [name];
  if (columns === undefined) return tf.add(1, numbersOf(name, [rows]));
  return tf.concat(
    of.map((part) => numbersOf(part, [rows, columns / of.length])),
    1,
  );
}

function apart(name: string, gradient: tf.Tensor): (readonly [name: string, gradient: tf.Tensor])[] {
  const [layer, last = ''] = name.split('.');
  const of = parts[last];
  if (of === undefined) return [[name, gradient]];
  return tf.split(gradient, of.length, 1).map((part, i) => [`${String(layer)}.${of[i]!}`, part]);
}

/** Equal for equal names. */
function numbersOf(name: string, shape: number[]): tf.Tensor {
  const [drawn] = normals(Buffer.from(name).reduce((sum, byte) => sum * 31 + byte, 7) % 65_521, shape);
  return tf.mul(tf.tensor(drawn!.values, shape), 0.2);
}
