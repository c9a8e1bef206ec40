import { adamwStep, type AdamWSettings } from '../../ops/contract.js';
import type { KeptPowers, Updated, WeightUpdate } from './weight-optimizer.js';

/** AdamW's state of a weight: running means of its gradients and of their squares, under PyTorch's names. */
export const ADAMW_KEPT = { exp_avg: 1, exp_avg_sq: 2 } as const satisfies KeptPowers;

export function adamwUpdate(weights: readonly WeightUpdate[], settings: AdamWSettings): Updated[] {
  const inputs = weights.map(({ weight, gradient, weightDecay, kept }) => ({
    parameter: weight,
    gradient,
    expAvg: kept('exp_avg'),
    expAvgSq: kept('exp_avg_sq'),
    weightDecay,
  }));
  return adamwStep(inputs, settings).map(({ parameter, expAvg, expAvgSq }) => ({
    weight: parameter,
    kept: { exp_avg: expAvg, exp_avg_sq: expAvgSq },
  }));
}
