import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type Attributes, headSizes, type KernelInputs, rotaryAngles } from '../../../ops/contract.js';
import type { NativeBackend, NativeKernel } from '../backend.js';
import type { AttentionSizes } from '../calls/types.js';

const attention: NativeKernel['compute'] = (inputs, attributes, backend) => {
  const qkv = inputs.get('qkv');
  const [batch, heads, keyValueHeads, headDim, time] = sizesOf(qkv, attributes);
  const [y, logSum] = [backend.allocate([batch, time, heads * headDim]), backend.allocate([batch, heads, time])];
  backend.binding.attention(
    ...[batch, heads, keyValueHeads, headDim, time],
    ...dropoutOf(attributes),
    ...([backend.bf16, documentsOf(inputs, backend)] as const),
    ...[backend.floats(qkv), backend.floats(y), backend.floats(logSum)],
  );
  return [y, logSum];
};

export const attentionKernels: readonly NativeKernel[] = [
  { name: 'EspalierCausalAttention', compute: attention },
  { name: 'EspalierDocumentAttention', compute: attention },
  {
    name: 'EspalierCausalAttentionGrad',
    compute: (inputs, attributes, backend) => {
      const [dy, qkv, logSum] = [inputs.get('dy'), inputs.get('qkv'), inputs.get('logSum')];
      const gradient = backend.allocate(qkv.shape);
      backend.binding.attentionGradient(
        ...sizesOf(qkv, attributes),
        ...dropoutOf(attributes),
        ...([backend.bf16, documentsOf(inputs, backend)] as const),
        ...[backend.floats(dy), backend.floats(qkv), backend.floats(logSum), backend.floats(gradient)],
      );
      return gradient;
    },
  },
  {
    name: 'EspalierKeepPositions',
    isMoreThanCalls: true,
    compute: (inputs, attributes, backend) => {
      const qkv = inputs.get('qkv');
      const [, time = 0, row = 0] = qkv.shape;
      const { heads, keyValueHeads, headDim } = headSizes(qkv, attributes);
      const [texts, capacity, width] = [
        attributes.number('texts'),
        attributes.number('capacity'),
        keyValueHeads * headDim,
      ];
      const from = backend.floats(qkv);
      return [heads * headDim, heads * headDim + width].map((first) => {
        const kept = backend.allocate([texts, capacity, width]);
        const to = backend.floats(kept);
        for (let i = 0; i < texts * time; i++) {
          const [text, position] = [Math.floor(i / time), i % time];
          const begin = position * row + first;
          to.set(from.subarray(begin, begin + width), (text * capacity + position) * width);
        }
        return kept;
      });
    },
  },
  {
    name: 'EspalierNextAttention',
    isMoreThanCalls: true,
    compute: (inputs, attributes, backend) => {
      const [qkv, keys, values] = [inputs.get('qkv'), inputs.get('keys'), inputs.get('values')];
      const [texts = 0, capacity = 0] = keys.shape;
      const { heads, keyValueHeads, headDim } = headSizes(qkv, attributes);
      const after = [keys, values].map((tensor) => {
        const to = backend.replacing(tensor);
        if (to.dataId !== tensor.dataId) backend.floats(to).set(backend.floats(tensor));
        return to;
      });
      const y = backend.allocate([texts, heads * headDim]);
      const [newKeys, newValues] = after.map((tensor) => backend.floats(tensor));
      backend.binding.nextAttention(
        ...[texts, heads, keyValueHeads, headDim, capacity, attributes.number('position')],
        ...[backend.floats(qkv), newKeys!, newValues!, backend.floats(y)],
      );
      return [y, ...after];
    },
  },
  {
    name: 'EspalierRotary',
    compute: (inputs, attributes, backend) => {
      const qkv = inputs.get('qkv');
      const [batch, heads, keyValueHeads, headDim, time] = sizesOf(qkv, attributes);
      const { cos, sin } = rotaryAngles(time, headDim, attributes);
      const y = backend.allocate(qkv.shape);
      backend.binding.rotary(
        ...[batch * time, time, heads, keyValueHeads, headDim],
        ...[cos, sin, backend.floats(qkv), backend.floats(y)],
      );
      return y;
    },
  },
  {
    name: 'EspalierQueryKeyNorm',
    compute: (inputs, attributes, backend) => {
      const [qkv, queryWeight, keyWeight] = [inputs.get('qkv'), inputs.get('queryWeight'), inputs.get('keyWeight')];
      const [batch, heads, keyValueHeads, headDim, time] = sizesOf(qkv, attributes);
      const y = backend.allocate(qkv.shape);
      backend.binding.queryKeyNorm(
        ...[batch * time, heads, keyValueHeads, headDim, attributes.number('epsilon')],
        ...[backend.floats(qkv), backend.floats(queryWeight), backend.floats(keyWeight), backend.floats(y)],
      );
      return y;
    },
  },
  {
    name: 'EspalierQueryKeyNormGrad',
    compute: (inputs, attributes, backend) => {
      const qkv = inputs.get('qkv');
      const [batch, heads, keyValueHeads, headDim, time] = sizesOf(qkv, attributes);
      const given = [inputs.get('dy'), qkv, inputs.get('queryWeight'), inputs.get('keyWeight')];
      const outputs = [qkv.shape, [headDim], [headDim]].map((shape) => backend.allocate(shape));
      const [dy, x, queryWeight, keyWeight] = given.map((tensor) => backend.floats(tensor));
      const [dqkv, dQueryWeight, dKeyWeight] = outputs.map((tensor) => backend.floats(tensor));
      backend.binding.queryKeyNormGradient(
        ...[batch * time, heads, keyValueHeads, headDim, attributes.number('epsilon')],
        ...[dy!, x!, queryWeight!, keyWeight!],
        ...[dqkv!, dQueryWeight!, dKeyWeight!],
      );
      return outputs;
    },
  },
];

function sizesOf(qkv: TensorInfo, attributes: Attributes): AttentionSizes {
  const [batch = 0, time = 0] = qkv.shape;
  const { heads, keyValueHeads, headDim } = headSizes(qkv, attributes);
  return [batch, heads, keyValueHeads, headDim, time];
}

function documentsOf(inputs: KernelInputs, backend: NativeBackend): Int32Array | undefined {
  const documents = inputs.optional('documents');
  return documents === undefined ? undefined : backend.integers(documents);
}

/** Returns a mask's arguments for the addon; keys do not matter without dropout. */
export function dropoutOf(attributes: Attributes): [rate: number, key0: number, key1: number, first: number] {
  const rate = attributes.number('rate');
  if (rate === 0) return [0, 0, 0, 0];
  return [rate, attributes.number('key0'), attributes.number('key1'), attributes.number('first')];
}
