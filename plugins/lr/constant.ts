import { schedulePlugin } from './schedule/warmup-schedule.js';

/** Source of the warm-up: Goyal et al., "Accurate, Large Minibatch SGD", 2017, section 2.2; its form is nanoGPT's. */
export default schedulePlugin({
  name: 'lr-constant',
  summary: 'Linear warm-up, then the optimizer’s rate.',
  rate: (_iteration, { base }) => base,
});
