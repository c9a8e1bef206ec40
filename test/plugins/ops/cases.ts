import fc from '../../property.js';
import { tf, type DropoutMask } from '../../../core/index.js';
import {
  activation,
  activationLinear,
  ACTIVATIONS,
  type Activation,
  causalAttention,
  embedding,
  gated,
  layerNorm,
  linear,
  queryKeyNorm,
  rmsNorm,
  rotary,
  rotaryFrequencies,
  softmaxCrossEntropy,
  tokenLosses,
} from '../../../plugins/index.js';
import { RandomStreams } from '../../../core/random/streams.js';
import { dropout } from '../../../plugins/ops/contract.js';

/** An operation on inputs of one random size, as plain numbers, so that every engine gets the same. */
export interface Case {
  readonly inputs: readonly { shape: number[]; values: Float32Array }[];
  readonly apply: (...inputs: tf.Tensor[]) => tf.Tensor;
}

export interface CaseFamily {
  readonly name: string;
  readonly cases: fc.Arbitrary<Case>;
}

const size = fc.integer({ min: 1, max: 37 });
/** Number of rows to multiply; a single row is often a special case. */
const rowShape = fc.oneof(
  fc.constant([1, 1] as const),
  size.map((rows) => [2, rows] as const),
);
const seed = fc.integer({ min: 0, max: 2 ** 31 });
const rate = fc.constantFrom(0, 0.2);
const kind = fc.constantFrom(...ACTIVATIONS);
/** Number of key and value heads, and of query heads per key and value head. */
const someHeads = { keyValueHeads: fc.integer({ min: 1, max: 3 }), group: fc.integer({ min: 1, max: 3 }) };

/** Every differentiable operation of plugins/ops, at sizes that are odd, 1, or not a multiple of any tile. */
export const families: readonly CaseFamily[] = [
  {
    name: 'linear',
    cases: fc
      .record({
        rows: rowShape,
        inner: size,
        columns: size,
        seed,
        transposeWeight: fc.boolean(),
        withRest: fc.boolean(),
      })
      .map(({ rows, inner, columns, seed, transposeWeight, withRest }) => ({
        inputs: normals(
          seed,
          [...rows, inner],
          transposeWeight ? [columns, inner] : [inner, columns],
          ...(withRest ? [[columns], [...rows, columns]] : []),
        ),
        apply: (x, weight, bias, residual) => linear(x, weight, { bias, residual, transposeWeight }),
      })),
  },
  {
    name: 'activationLinear',
    cases: fc
      .record({ rows: rowShape, inner: size, columns: size, seed, kind, withRest: fc.boolean() })
      .map(({ rows, inner, columns, seed, kind, withRest }) => ({
        inputs: awayFromKinks(
          kind,
          normals(seed, [...rows, inner], [inner, columns], ...(withRest ? [[columns], [...rows, columns]] : [])),
        ),
        apply: (x, weight, bias, residual) => activationLinear(x, kind, weight, { bias, residual }),
      })),
  },
  {
    name: 'layerNorm',
    // The deviation of a few columns may be nearly 0, and their gradient is then all rounding.
    cases: fc
      .record({ rows: size, columns: fc.integer({ min: 8, max: 70 }), seed, withBias: fc.boolean() })
      .map(({ rows, columns, seed, withBias }) => ({
        inputs: normals(seed, [rows, columns], [columns], ...(withBias ? [[columns]] : [])),
        apply: (x, weight, bias) => layerNorm(x, weight, bias),
      })),
  },
  {
    name: 'activation',
    cases: fc.record({ rows: size, columns: size, seed, kind }).map(({ rows, columns, seed, kind }) => ({
      inputs: awayFromKinks(kind, normals(seed, [rows, columns])),
      apply: (x) => activation(x, kind),
    })),
  },
  {
    name: 'gated',
    cases: fc.record({ rows: size, columns: size, seed, kind }).map(({ rows, columns, seed, kind }) => ({
      inputs: awayFromKinks(kind, normals(seed, [rows, columns], [rows, columns])),
      apply: (gate, up) => gated(gate, up, kind),
    })),
  },
  {
    name: 'rmsNorm',
    cases: fc.record({ rows: size, columns: fc.integer({ min: 8, max: 70 }), seed }).map(({ rows, columns, seed }) => ({
      inputs: normals(seed, [rows, columns], [columns]),
      apply: (x, weight) => rmsNorm(x, weight),
    })),
  },
  {
    name: 'causalAttention',
    cases: fc
      .record({ batch: fc.integer({ min: 1, max: 3 }), ...someHeads, time: size, seed, rate })
      .chain((sizes) => fc.integer({ min: 1, max: 19 }).map((part) => ({ ...sizes, part })))
      .map(({ batch, group, keyValueHeads, time, part, seed, rate }) => ({
        inputs: normals(seed, [batch, time, (group + 2) * keyValueHeads * part]),
        apply: (qkv) =>
          causalAttention(tf.reshape(qkv, [batch, time, -1]), group * keyValueHeads, {
            keyValueHeads,
            mask: maskOf(rate, seed, group * keyValueHeads * time * time),
          }),
      })),
  },
  {
    name: 'causalAttention of documents',
    cases: fc
      .record({ batch: fc.integer({ min: 1, max: 3 }), ...someHeads, time: size, seed, rate })
      .chain((sizes) => fc.integer({ min: 1, max: 19 }).map((part) => ({ ...sizes, part })))
      .map(({ batch, group, keyValueHeads, time, part, seed, rate }) => ({
        inputs: normals(seed, [batch, time, (group + 2) * keyValueHeads * part]),
        apply: (qkv) =>
          causalAttention(tf.reshape(qkv, [batch, time, -1]), group * keyValueHeads, {
            keyValueHeads,
            mask: maskOf(rate, seed, group * keyValueHeads * time * time),
            // Zeros and ones, in runs of two on average.
            documents: integers(seed, [batch, time], 2),
          }),
      })),
  },
  {
    name: 'rotary',
    cases: fc
      .record({ batch: fc.integer({ min: 1, max: 3 }), ...someHeads, time: size, seed })
      .chain((sizes) => fc.integer({ min: 1, max: 19 }).map((half) => ({ ...sizes, half })))
      .map(({ batch, group, keyValueHeads, time, half, seed }) => ({
        inputs: normals(seed, [batch, time, 2 * (group + 2) * keyValueHeads * half]),
        apply: (qkv) =>
          rotary(tf.reshape(qkv, [batch, time, -1]), group * keyValueHeads, {
            keyValueHeads,
            frequencies: rotaryFrequencies(2 * half, 10000),
            first: seed % 3,
          }),
      })),
  },
  {
    name: 'queryKeyNorm',
    cases: fc
      .record({ batch: fc.integer({ min: 1, max: 3 }), ...someHeads, time: size, seed })
      .chain((sizes) => fc.integer({ min: 8, max: 40 }).map((part) => ({ ...sizes, part })))
      .map(({ batch, group, keyValueHeads, time, part, seed }) => ({
        inputs: normals(seed, [batch, time, (group + 2) * keyValueHeads * part], [part], [part]),
        apply: (qkv, queryWeight, keyWeight) =>
          queryKeyNorm(tf.reshape(qkv, [batch, time, -1]), group * keyValueHeads, queryWeight, keyWeight, {
            keyValueHeads,
            epsilon: 1e-6,
          }),
      })),
  },
  {
    name: 'embedding',
    cases: fc.record({ rows: size, width: size, time: size, seed }).map(({ rows, width, time, seed }) => ({
      inputs: normals(seed, [rows, width]),
      apply: (table) => embedding(integers(seed, [2, time], rows), table),
    })),
  },
  {
    name: 'softmaxCrossEntropy',
    cases: fc.record({ rows: size, classes: fc.integer({ min: 2, max: 70 }), seed }).map(({ rows, classes, seed }) => ({
      inputs: normals(seed, [2, rows, classes]),
      // One class more, shifted down by one: some targets are -1, which do not count.
      apply: (logits) => softmaxCrossEntropy(logits, tf.sub(integers(seed, [2, rows], classes + 1), ONE())),
    })),
  },
  {
    name: 'tokenLosses',
    cases: fc.record({ rows: size, classes: fc.integer({ min: 2, max: 70 }), seed }).map(({ rows, classes, seed }) => ({
      inputs: normals(seed, [2, rows, classes]),
      apply: (logits) => {
        const { losses, logSumExp } = tokenLosses(logits, tf.sub(integers(seed, [2, rows], classes + 1), ONE()));
        return tf.stack([losses, logSumExp]);
      },
    })),
  },
  {
    name: 'dropout',
    cases: fc.record({ rows: size, columns: size, seed }).map(({ rows, columns, seed }) => ({
      inputs: normals(seed, [rows, columns]),
      apply: (x) => dropout(x, maskOf(0.2, seed, columns)),
    })),
  },
];

/** Standard normal numbers of these shapes. */
export function normals(seed: number, ...shapes: number[][]): { shape: number[]; values: Float32Array }[] {
  const random = new RandomStreams(seed).stream('test');
  return shapes.map((shape) => ({
    shape,
    values: Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => random.normal()),
  }));
}

/** A finite difference must not cross a jump of the derivative, so the first input is moved away from it. */
function awayFromKinks(kind: Activation, [x, ...others]: Case['inputs']): Case['inputs'] {
  if (x === undefined || kind !== 'relu') return x === undefined ? others : [x, ...others];
  return [{ ...x, values: x.values.map((value) => value + 0.1 * Math.sign(value)) }, ...others];
}

function integers(seed: number, shape: [number, number], below: number): tf.Tensor2D {
  const random = new RandomStreams(seed).stream('integers');
  const values = Int32Array.from({ length: shape[0] * shape[1] }, () => random.below(below));
  return tf.tensor2d(values, shape, 'int32');
}

/** At the start of a batch, or in rows so far into it that element indices exceed 32 bits. */
export function maskOf(rate: number, seed: number, rowSize: number): DropoutMask | undefined {
  const far = Math.max(0, Math.floor(2 ** 32 / rowSize) - 1);
  return rate === 0 ? undefined : { rate, key0: seed, key1: 7, firstRow: seed % 2 === 0 ? 0 : far };
}

const ONE = (): tf.Tensor => tf.scalar(1, 'int32');
