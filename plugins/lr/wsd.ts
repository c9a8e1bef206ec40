import { z } from 'zod';
import { schedulePlugin } from './schedule/warmup-schedule.js';

/**
 * Warm-up, stable, decay: a run may be extended from its stable phase as often as one likes.
 * Sources: Hu et al., "MiniCPM", 2024, section 4.2, for the three phases; Hägele et al., "Scaling Laws and
 * Compute-Optimal Training Beyond Fixed Training Durations", NeurIPS 2024, for the shape 1-sqrt.
 */
export default schedulePlugin({
  name: 'lr-wsd',
  summary: 'Linear warm-up, then the full rate, then a decay to min_lr in the last iterations.',
  options: {
    cooldown_share: z
      .number()
      .gt(0)
      .max(1)
      .default(0.1)
      .describe('length of the final decay, as a share of decay_iters'),
    cooldown_iters: z
      .int()
      .min(1)
      .nullable()
      .default(null)
      .describe('length of the final decay in iterations; null: use cooldown_share'),
    shape: z.enum(['1-sqrt', 'linear']).default('1-sqrt').describe('shape of the decay; 1-sqrt falls faster at first'),
  },
  decay: (iteration, { warmup, end, options: { cooldown_iters: iterations, cooldown_share: share, shape } }) => {
    const start = Math.max(warmup, end - (iterations ?? Math.round(share * end)));
    // If the share rounds to no iterations, the rate stays at its peak to the end.
    if (iteration <= start) return iteration < end ? 1 : 0;
    const done = (iteration - start) / (end - start);
    return 1 - (shape === 'linear' ? done : Math.sqrt(done));
  },
});
