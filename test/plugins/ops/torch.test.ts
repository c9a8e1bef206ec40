import { readFileSync } from 'node:fs';
import test from 'ava';
import { z } from 'zod';
import { tf } from '../../../core/index.js';
import {
  activation,
  ACTIVATIONS,
  geglu,
  gelu,
  geluTanh,
  registerOps,
  reluSquared,
  rmsNorm,
  silu,
  swiglu,
} from '../../../plugins/index.js';
import { on } from './compare.js';
import { availableEngines } from './engines.js';
import { needing } from '../../needs.js';

/** Tolerance relative to the number, to its terms, or to 1, whichever is largest. */
const TOLERANCE = 1e-6;

const tensorSchema = z.object({ shape: z.array(z.int()), values: z.array(z.number()) });
type Numbers = z.output<typeof tensorSchema>;
const caseSchema = z.object({ inputs: z.array(tensorSchema), dy: tensorSchema, expected: z.array(tensorSchema) });
const { cases } = z
  .object({ cases: z.record(z.string(), caseSchema) })
  .parse(JSON.parse(readFileSync('test/fixtures/ops/torch.json', 'utf8')));

type Apply = (...inputs: tf.Tensor[]) => tf.Tensor;
const functions: Readonly<Record<string, Apply>> = {
  gelu: (x) => gelu(x),
  gelu_tanh: (x) => geluTanh(x),
  silu: (x) => silu(x),
  relu: (x) => activation(x, 'relu'),
  relu2: (x) => reluSquared(x),
  swiglu: (gate, up) => swiglu(gate, up),
  geglu: (gate, up) => geglu(gate, up),
  'geglu, tanh': (gate, up) => geglu(gate, up, 'gelu_tanh'),
  rmsNorm: (x, weight) => rmsNorm(x, weight),
  'rmsNorm of small rows': (x, weight) => rmsNorm(x, weight),
};

const engines = await availableEngines();

test.before(async () => {
  await tf.setBackend('cpu');
  registerOps('cpu');
});

test('there are PyTorch’s results for each activation', (t) => {
  t.deepEqual(Object.keys(cases).sort(), Object.keys(functions).sort());
  for (const kind of ACTIVATIONS) t.true(kind in cases, kind);
});

for (const [name, apply] of Object.entries(functions)) {
  test.serial(`${name}: the composite equals PyTorch, forward and backward`, (t) => {
    t.deepEqual(mistakes(name, apply, 'cpu'), []);
  });
}

for (const { name: engine, need, backend } of engines) {
  needing(need).serial(`fused operations: engine ${engine} is within 1e-6 of what PyTorch computes`, (t) => {
    for (const [name, apply] of Object.entries(functions)) t.deepEqual(mistakes(name, apply, backend), [], name);
  });
}

/** Returns where the output or an input's gradient differs too much. */
function mistakes(name: string, apply: Apply, backend: string): string[] {
  const { inputs, dy, expected } = cases[name]!;
  const found = on(backend, () => {
    const tensors = inputs.map(tensorOf);
    const gradients = tf.grads(apply)(tensors, tensorOf(dy));
    return [apply(...tensors), ...gradients].map((x) => x.dataSync<'float32'>().slice());
  });
  return expected.flatMap(({ values }, which) => {
    // A row's gradient is a difference of numbers of its own size; an activation is proportional to x.
    const largest = Math.max(...values.map(Math.abs));
    const scale = (i: number): number =>
      name.startsWith('rmsNorm') ? largest : Math.max(Math.abs(values[i]!), Math.abs(inputs[0]!.values[i]!));
    return values.flatMap((value, i) => {
      const is = found[which]?.[i] ?? NaN;
      // Not `>`, so that NaN fails.
      if (Math.abs(is - value) <= TOLERANCE * Math.max(1, scale(i))) return [];
      return [`tensor ${String(which)} [${String(i)}] is ${String(is)}, not ${String(value)}`];
    });
  });
}

function tensorOf({ shape, values }: Numbers): tf.Tensor {
  return tf.tensor(values, shape);
}
