import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type Attributes, rotaryAngles } from '../../../ops/contract.js';
import type { NativeKernel } from '../backend.js';

export const attentionKernels: readonly NativeKernel[] = [
  {
    name: 'EspalierCausalAttention',
    compute: (inputs, attributes, backend) => {
      const qkv = inputs.get('qkv');
      const [batch, heads, time, part] = sizesOf(qkv, attributes);
      const [y, logSum] = [backend.allocate([batch, time, heads * part]), backend.allocate([batch, heads, time])];
      backend.binding.attention(
        ...[batch, heads, time, part],
        ...dropoutOf(attributes),
        backend.bf16,
        ...[backend.floats(qkv), backend.floats(y), backend.floats(logSum)],
      );
      return [y, logSum];
    },
  },
  {
    name: 'EspalierCausalAttentionGrad',
    compute: (inputs, attributes, backend) => {
      const [dy, qkv, logSum] = [inputs.get('dy'), inputs.get('qkv'), inputs.get('logSum')];
      const [batch, heads, time, part] = sizesOf(qkv, attributes);
      const gradient = backend.allocate(qkv.shape);
      backend.binding.attentionGradient(
        ...[batch, heads, time, part],
        ...dropoutOf(attributes),
        backend.bf16,
        ...[backend.floats(dy), backend.floats(qkv), backend.floats(logSum), backend.floats(gradient)],
      );
      return gradient;
    },
  },
  {
    name: 'EspalierRotary',
    compute: (inputs, attributes, backend) => {
      const qkv = inputs.get('qkv');
      const [batch, heads, time, part] = sizesOf(qkv, attributes);
      const { cos, sin } = rotaryAngles(time, part, attributes);
      const y = backend.allocate(qkv.shape);
      backend.binding.rotary(batch * time, time, heads, part, cos, sin, backend.floats(qkv), backend.floats(y));
      return y;
    },
  },
];

function sizesOf(qkv: TensorInfo, attributes: Attributes): [batch: number, heads: number, time: number, part: number] {
  const [batch = 0, time = 0, threeWidths = 0] = qkv.shape;
  const heads = attributes.number('heads');
  return [batch, heads, time, threeWidths / 3 / heads];
}

/** A mask as the addon takes it; its keys do not matter where nothing is dropped. */
export function dropoutOf(attributes: Attributes): [rate: number, key0: number, key1: number, first: number] {
  const rate = attributes.number('rate');
  if (rate === 0) return [0, 0, 0, 0];
  return [rate, attributes.number('key0'), attributes.number('key1'), attributes.number('first')];
}
