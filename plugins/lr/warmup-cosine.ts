import { schedulePlugin } from './schedule/warmup-schedule.js';

/** Source: Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5, without restarts; warm-up as in nanoGPT. */
export default schedulePlugin({
  name: 'warmup-cosine',
  summary: 'Linear warm-up, then a cosine down to min_lr.',
  decay: (iteration, { warmup, end }) => 0.5 * (1 + Math.cos(Math.PI * ((iteration - warmup) / (end - warmup)))),
});
