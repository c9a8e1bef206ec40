import { itemsOf, timeOf } from '../../../../plugins/logs/wandb/records.js';

/** What a run file says of its run. */
export const run = {
  run_id: 'abc',
  entity: '',
  project: 'p',
  config: { update: itemsOf({ seed: 1 }) },
  run_group: '',
  job_type: '',
  display_name: 'name',
  notes: '',
  tags: [],
  host: '',
  start_time: timeOf(1e12),
};
