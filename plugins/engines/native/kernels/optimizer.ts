import type { NativeKernel } from '../backend.js';

export const optimizerKernels: readonly NativeKernel[] = [
  {
    name: 'EspalierAdamWStep',
    isMoreThanCalls: true,
    compute: (inputs, attributes, backend) => {
      const weightDecays = attributes.numbers('weightDecays');
      const [parameters, gradients, means, squares] = inputs.groups(4);
      const before = [parameters!, means!, squares!];
      const old = before.map((tensors) => tensors.map((tensor) => backend.floats(tensor)));
      const after = before.map((tensors) => tensors.map((tensor) => backend.replacing(tensor)));
      const made = after.map((tensors) => tensors.map((tensor) => backend.floats(tensor)));
      const settings = ['learningRate', 'beta1', 'beta2', 'epsilon', 'step', 'gradientScale'] as const;
      const [rate, beta1, beta2, epsilon, step, scale] = settings.map((name) => attributes.number(name));
      backend.binding.adamwStep(
        ...[rate!, beta1!, beta2!, epsilon!, step!, scale!],
        weightDecays,
        ...[old[0]!, gradients!.map((tensor) => backend.floats(tensor)), old[1]!, old[2]!],
        ...[made[0]!, made[1]!, made[2]!],
      );
      return after.flat();
    },
  },
  {
    name: 'EspalierGlobalNorm',
    isMoreThanCalls: true,
    compute: (inputs, _attributes, backend) => {
      const norm = backend.allocate([]);
      backend.floats(norm)[0] = backend.binding.globalNorm(inputs.all().map((tensor) => backend.floats(tensor)));
      return norm;
    },
  },
];
