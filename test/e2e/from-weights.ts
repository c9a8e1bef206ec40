import type { Outcome } from './command.js';
import { espalier } from './warm.js';

/** Makes `runs/run`, which has the weights that `init` names, and trains nothing unless a setting says so. */
export function trainFrom(folder: string, init: string, ...settings: string[]): Promise<Outcome> {
  return espalier(
    folder,
    ...['train', '--preset', 'debug', '--force', '--set', `init=${init}`],
    ...[
      'engine=auto',
      'precision=f32',
      'data.text=text.txt',
      'run.name=run',
      'model.block_size=16',
      'train.max_iters=1',
      'optimizer.learning_rate=0',
      'lr.min_lr=0',
      ...settings,
    ].flatMap((each) => ['--set', each]),
  );
}
