import type { Tunables } from '../../../../core/index.js';
import type { Operation } from '../../shared/operation.js';
import type { ModelGrowth } from '../../shared/model-growth.js';
import { growthOperations } from './growth.js';
import { ResetLrSchedule } from './reset-lr-schedule.js';
import { DisableVocabRemapping, ResizeVocabulary } from './vocabulary.js';
import { ChangeTunable, SetTunable } from './tunable.js';

/** Suffixes of `set_…` and `change_…`, and the tunable each stands for. */
const tunableOf = {
  lr: 'learning_rate',
  batch_size: 'batch_size',
  grad_accum: 'gradient_accumulation_steps',
  warmup_iters: 'warmup_iters',
  eval_iters: 'eval_iters',
  eval_interval: 'eval_interval',
};

/** The operations that come with the plugin. */
export function ownOperations(tunables: Tunables, growth: ModelGrowth): Operation[] {
  const pairs = Object.entries(tunableOf);
  return [
    ...pairs.map(([ending, tunable]) => new SetTunable(`set_${ending}`, tunable, tunables)),
    new SetTunable('set_curriculum_alpha', 'curriculum_alpha', tunables),
    ...pairs.map(([ending, tunable]) => new ChangeTunable(`change_${ending}`, tunable, tunables)),
    new ResetLrSchedule(tunables),
    ...growthOperations(growth),
    new ResizeVocabulary(growth),
    new DisableVocabRemapping(growth),
  ];
}
