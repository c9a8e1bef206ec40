import { headSizes, rotaryAngles } from '../../../ops/contract.js';
import type { Kernels } from '../kernel.js';
import { partsOf } from './heads.js';

export const rotaryKernels: Kernels = {
  EspalierRotary: {
    // In generation each token has another position; in training, positions are always the same.
    varying: (attributes, inputs) => {
      const [, time = 0] = inputs.get('qkv').shape;
      if (time !== 1) return undefined;
      const { cos, sin } = rotaryAngles(1, 2 * attributes.list('frequencies').length, attributes);
      return { instead: ['first', 'back', 'frequencies'], numbers: Float32Array.of(...cos, ...sin) };
    },
    lower: (call) => {
      const { graph } = call;
      const sizes = headSizes(call.inputs.get('qkv'), call.attributes);
      const qkv = call.get('qkv');
      const [batch = 0, time = 0] = qkv.shape;
      const half = sizes.headDim / 2;
      const angles = { shape: [1, time, 1, half], type: 'f32' } as const;
      const numbers = call.numbers();
      const constant = numbers === undefined ? rotaryAngles(time, sizes.headDim, call.attributes) : undefined;
      const [cos, sin] = (['cos', 'sin'] as const).map((name, index) =>
        constant === undefined
          ? graph.reshape(graph.part(numbers!, 0, index * half, half), angles.shape)
          : graph.constants(constant[name], angles),
      );
      const [q, k, v] = partsOf(graph, qkv, sizes);
      const turned = [q!, k!].map((x) => {
        const heads = graph.reshape(x, [batch, time, x.shape[2]! / sizes.headDim, sizes.headDim]);
        const [real, imaginary] = [0, half].map((first) => graph.part(heads, 3, first, half));
        const both = [
          graph.sub(graph.mul(real!, cos!), graph.mul(imaginary!, sin!)),
          graph.add(graph.mul(imaginary!, cos!), graph.mul(real!, sin!)),
        ];
        return graph.reshape(graph.concat(both, 3), x.shape);
      });
      return graph.concat([...turned, v!], 2);
    },
  },
};
