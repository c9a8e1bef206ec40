import { schedulePlugin } from './schedule/warmup-schedule.js';

/** Source: Goyal et al., "Accurate, Large Minibatch SGD", 2017, section 2.2, for the warm-up; that of nanoGPT. */
export default schedulePlugin({
  name: 'lr-constant',
  summary: 'Linear warm-up, then the optimizer’s rate.',
  rate: (_iteration, { base }) => base,
});
