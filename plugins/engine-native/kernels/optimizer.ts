import type { NativeKernel } from './kernel.js';

export const optimizerKernels: readonly NativeKernel[] = [
  {
    name: 'EspalierAdamWStep',
    compute: (inputs, attributes, backend) => {
      const weightDecays = attributes.numbers('weightDecays');
      const all = (name: string) => weightDecays.map((_, index) => inputs.get(`${name}${String(index)}`));
      const gradients = all('gradient').map((tensor) => backend.floats(tensor));
      const before = [all('parameter'), all('expAvg'), all('expAvgSq')];
      const old = before.map((tensors) => tensors.map((tensor) => backend.floats(tensor)));
      const after = before.map((tensors) => tensors.map((tensor) => backend.replacing(tensor)));
      const made = after.map((tensors) => tensors.map((tensor) => backend.floats(tensor)));
      const settings = ['learningRate', 'beta1', 'beta2', 'epsilon', 'step', 'gradientScale'] as const;
      const [rate, beta1, beta2, epsilon, step, scale] = settings.map((name) => attributes.number(name));
      backend.binding.adamwStep(
        ...[rate!, beta1!, beta2!, epsilon!, step!, scale!],
        weightDecays,
        ...[old[0]!, gradients, old[1]!, old[2]!],
        ...[made[0]!, made[1]!, made[2]!],
      );
      return after.flat();
    },
  },
  {
    name: 'EspalierGlobalNorm',
    compute: (inputs, _attributes, backend) => {
      const norm = backend.allocate([]);
      backend.floats(norm)[0] = backend.binding.globalNorm(inputs.all().map((tensor) => backend.floats(tensor)));
      return norm;
    },
  },
];
