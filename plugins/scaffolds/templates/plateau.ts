import { schedulePlugin, z } from 'espalier';

export default schedulePlugin({
  name: 'plateau',
  summary: 'warm-up, a plateau, and a straight way down',
  options: {
    decay_share: z
      .number()
      .min(0)
      .max(1)
      .default(0.2)
      .describe('share of train.max_iters, at the end, in which it falls to 0'),
  },
  rate: (iteration, { base, end, options }) => base * Math.min(1, (end - iteration) / (end * options.decay_share)),
});
