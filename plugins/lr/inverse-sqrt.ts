import { z } from 'zod';
import { schedulePlugin } from './schedule/warmup-schedule.js';

/**
 * Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 5.3, equation 3. Steps are counted from 1,
 * the peak is the optimizer's rate instead of d_model^-0.5 · warmup_steps^-0.5, and warmup_steps is warmup_iters + 1.
 */
export default schedulePlugin({
  name: 'lr-inverse-sqrt',
  summary: 'Linear warm-up, then a decay by one over the square root of the iteration.',
  options: { min_lr: z.number().min(0).default(0).describe('lowest learning rate') },
  rate: (iteration, { base, warmup, options }) =>
    Math.max(options.min_lr, base * Math.sqrt((warmup + 1) / (iteration + 1))),
});
