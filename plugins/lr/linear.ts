import { schedulePlugin } from './schedule/warmup-schedule.js';

/** Source: Devlin et al., "BERT", NAACL 2019, appendix A.2, which decays to 0; warm-up as in nanoGPT. */
export default schedulePlugin({
  name: 'lr-linear',
  summary: 'Linear warm-up, then a straight line down to min_lr.',
  decay: (iteration, { warmup, end }) => (end - iteration) / (end - warmup),
});
