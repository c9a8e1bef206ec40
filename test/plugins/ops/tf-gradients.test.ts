import { readFileSync } from 'node:fs';
import test from 'ava';
import { tf } from '../../../core/index.js';
import { registerOps } from '../../../plugins/index.js';
import { normals, type Case } from './cases.js';
import { assertClose, compute, on } from './compare.js';
import { availableEngines } from './engines.js';
import { needing } from '../../needs.js';

/** Step of a finite difference, and its tolerance: float32 has seven digits. */
const STEP = 1e-2;
const TOLERANCE = 2e-2;

type Apply = (...inputs: tf.Tensor[]) => tf.Tensor;

const [a, rows, wide, batched] = [
  [3, 4],
  [4, 2],
  [2, 3, 4],
  [1, 4, 5],
];
const choose = (): tf.Tensor => tf.tensor1d([2, 0, 2, 1, 2], 'int32');

/** A call of each operation that has a gradient, with the shapes of its inputs. */
const calls: Readonly<Record<string, readonly (readonly [Apply, number[][]])[]>> = {
  add: [[(x, y) => tf.add(x, y), [a, [4]]]],
  sub: [[(x, y) => tf.sub(x, y), [a, [3, 1]]]],
  mul: [[(x, y) => tf.mul(x, y), [a, [1]]]],
  div: [[(x, y) => tf.div(x, tf.add(tf.abs(y), 1)), [a, [4]]]],
  maximum: [[(x, y) => tf.maximum(x, y), [a, a]]],
  minimum: [[(x, y) => tf.minimum(x, y), [a, [4]]]],
  squaredDifference: [[(x, y) => tf.squaredDifference(x, y), [a, [4]]]],
  pow: [
    [(x, y) => tf.pow(tf.add(tf.abs(x), 0.5), y), [a, [4]]],
    [(x) => tf.pow(x, 3), [a]],
  ],
  addN: [[(x, y) => tf.addN([x, y, x]), [a, a]]],
  neg: [[(x) => tf.neg(x), [a]]],
  abs: [[(x) => tf.abs(x), [a]]],
  exp: [[(x) => tf.exp(x), [a]]],
  expm1: [[(x) => tf.expm1(x), [a]]],
  log: [[(x) => tf.log(tf.add(tf.abs(x), 0.5)), [a]]],
  log1p: [[(x) => tf.log1p(tf.abs(x)), [a]]],
  sqrt: [[(x) => tf.sqrt(tf.add(tf.abs(x), 0.5)), [a]]],
  rsqrt: [[(x) => tf.rsqrt(tf.add(tf.abs(x), 0.5)), [a]]],
  square: [[(x) => tf.square(x), [a]]],
  reciprocal: [[(x) => tf.reciprocal(tf.add(tf.abs(x), 1)), [a]]],
  sin: [[(x) => tf.sin(x), [a]]],
  cos: [[(x) => tf.cos(x), [a]]],
  tanh: [[(x) => tf.tanh(x), [a]]],
  sigmoid: [[(x) => tf.sigmoid(x), [a]]],
  relu: [[(x) => tf.relu(x), [a]]],
  leakyRelu: [[(x) => tf.leakyRelu(x, 0.1), [a]]],
  elu: [[(x) => tf.elu(x), [a]]],
  softplus: [[(x) => tf.softplus(x), [a]]],
  erf: [[(x) => tf.erf(x), [a]]],
  clipByValue: [[(x) => tf.clipByValue(x, -0.5, 0.5), [a]]],
  cast: [[(x) => tf.mul(tf.cast(x, 'float32'), x), [a]]],
  matMul: [
    [(x, y) => tf.matMul(x, y), [a, rows]],
    [(x, y) => tf.matMul(x, y, true, false), [rows, [4, 3]]],
    [(x, y) => tf.matMul(x, y, false, true), [a, [2, 4]]],
    [
      (x, y) => tf.matMul(x, y, true, true),
      [
        [4, 3],
        [2, 4],
      ],
    ],
    [(x, y) => tf.matMul(x, y), [wide, batched]],
  ],
  sum: [
    [(x) => tf.sum(x), [wide]],
    [(x) => tf.sum(x, [0, -1], true), [wide]],
  ],
  mean: [
    [(x) => tf.mean(x), [wide]],
    [(x) => tf.mean(x, 1), [wide]],
  ],
  max: [[(x) => tf.max(x, -1), [wide]]],
  min: [[(x) => tf.min(x, 0, true), [wide]]],
  logSumExp: [[(x) => tf.logSumExp(x, -1), [wide]]],
  softmax: [[(x) => tf.softmax(x), [wide]]],
  logSoftmax: [[(x) => tf.logSoftmax(x), [wide]]],
  norm: [[(x) => tf.norm(x, 2, -1), [wide]]],
  moments: [[(x) => tf.moments(x, 1).variance, [wide]]],
  cumsum: [
    [(x) => tf.cumsum(x, 1), [wide]],
    [(x) => tf.cumsum(x, 0, true, true), [wide]],
  ],
  where: [[(x, y) => tf.where(tf.greater(x, 0), tf.mul(x, 2), y), [a, a]]],
  prod: [
    [(x) => tf.prod(x), [a]],
    [(x) => tf.prod(x, [0, 2], true), [wide]],
    // Next to one zero, and next to two.
    [(x) => tf.prod(tf.mul(x, tf.tensor2d([0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1], [3, 4])), 1), [a]],
  ],
  cumprod: [
    [(x) => tf.cumprod(x, 1), [wide]],
    [(x) => tf.cumprod(x, 0, true, true), [wide]],
  ],
  topk: [[(x) => tf.topk(x, 2).values, [wide]]],
  einsum: [
    [(x, y) => tf.einsum('ij,jk->ki', x, y), [a, rows]],
    [(x, y) => tf.einsum('bij,bkj->bik', x, y), [wide, [2, 5, 4]]],
    [(x, y) => tf.einsum('bi,bk->bik', x, y), [a, [3, 2]]],
    [(x) => tf.einsum('bij->jb', x), [wide]],
  ],
  gather: [
    [(x) => tf.gather(x, choose()), [a]],
    [(x) => tf.gather(x, choose(), 1), [wide]],
  ],
  transpose: [
    [(x) => tf.transpose(x, [2, 0, 1]), [wide]],
    [(x) => tf.transpose(x), [a]],
  ],
  reshape: [[(x) => tf.reshape(x, [2, 6]), [a]]],
  expandDims: [[(x) => tf.expandDims(x, 1), [a]]],
  squeeze: [[(x) => tf.squeeze(x), [[1, 3, 1]]]],
  reverse: [[(x) => tf.reverse(x, 1), [a]]],
  pad: [
    [
      (x) =>
        tf.pad(x, [
          [1, 0],
          [0, 2],
        ]),
      [a],
    ],
  ],
  tile: [[(x) => tf.tile(x, [2, 1, 3]), [wide]]],
  broadcastTo: [[(x) => tf.broadcastTo(x, [2, 3, 4]), [[3, 1]]]],
  slice: [[(x) => tf.slice(x, [1, 0], [2, -1]), [a]]],
  concat: [[(x, y) => tf.concat([x, y], -1), [a, [3, 2]]]],
  stack: [[(x, y) => tf.stack([x, y], 1), [a, a]]],
  unstack: [[(x) => tf.addN(tf.unstack(x, 1).map((part, at) => tf.mul(part, at + 1))), [a]]],
  split: [[(x) => tf.mul(tf.split(x, 2, 1)[1]!, 3), [a]]],
  clone: [[(x) => tf.mul(tf.clone(x), x), [a]]],
};

const cases: [name: string, drawn: Case][] = Object.entries(calls).flatMap(([name, ways]) =>
  ways.map(([apply, shapes], way): [string, Case] => [
    `tf.${name}${way === 0 ? '' : ` (${String(way + 1)})`}`,
    { inputs: shapes.map((shape, seed) => awayFromKinks(normals(seed + 10, shape)[0]!)), apply },
  ]),
);

/** The wasm backend gathers the wrong slices in batches. */
const inBatches: Case = {
  inputs: normals(10, wide),
  apply: (x) => tf.gather(x, tf.tensor2d([1, 0, 1, 2, 2, 0], [2, 3], 'int32'), 1, 1),
};

const engines = await availableEngines();

test.before(async () => {
  await tf.setBackend('cpu');
  registerOps('cpu');
});

for (const [name, drawn] of [...cases, ['tf.gather in batches', inBatches] as const]) {
  test.serial(`${name}: its gradient equals finite differences`, (t) => {
    const [, ...gradients] = compute(drawn, 'cpu');
    for (const [input, gradient] of gradients.entries()) {
      for (const [element, found] of gradient.entries()) {
        const slope = (weighted(drawn, input, element, STEP) - weighted(drawn, input, element, -STEP)) / (2 * STEP);
        t.true(
          Math.abs(slope - found) <= TOLERANCE * Math.max(1, Math.abs(slope)),
          `${String(found)} and ${String(slope)}`,
        );
      }
    }
  });
}

for (const { name: engine, need, backend } of engines) {
  const check = needing(need).serial;
  check(`engine ${engine} has the gradients of TensorFlow.js's operations`, (t) => {
    for (const [name, drawn] of cases) {
      const expected = compute(drawn, 'cpu');
      const found = compute(drawn, backend);
      for (const [index, values] of expected.entries()) assertClose(found[index], values, `${name} ${String(index)}`);
    }
    t.pass();
  });
}

test('the guide lists exactly the operations with gradients', (t) => {
  const guide = readFileSync('docs/plugins/tensors.md', 'utf8');
  const list = /These have gradients: ([^]*?)\.\n/.exec(guide)?.[1] ?? '';
  const listed = [...list.matchAll(/`(\w+)`/g)].map(([, name]) => name);
  t.deepEqual(listed.sort(), Object.keys(calls).sort());
});

/** A step must not cross a jump of the derivative, which is at 0 for most operations. */
function awayFromKinks({ shape, values }: Case['inputs'][number]): Case['inputs'][number] {
  return { shape, values: values.map((value) => value + Math.sign(value) * 2 * STEP) };
}

/** Returns the output, weighted as in `compute`, after moving an element of an input by a step. */
function weighted({ inputs, apply }: Case, moved: number, element: number, step: number): number {
  return on('cpu', () => {
    const tensors = inputs.map(({ shape, values }, input) => {
      const own = values.slice();
      if (input === moved) own[element]! += step;
      return tf.tensor(own, shape);
    });
    const y = apply(...tensors);
    const [dy] = normals(3, y.shape);
    return tf.sum(tf.mul(y, tf.tensor(dy!.values, y.shape))).dataSync()[0]!;
  });
}
