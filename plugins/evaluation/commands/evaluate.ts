import type { Command } from 'commander';
import {
  type CommandDefinition,
  Terminal,
  newestRun,
  runArgument,
  print,
  setOption,
  wholeFrom,
  withStoredFlags,
  type StoredFlags,
} from '../../../core/command.js';
import { BatchSource, Dataset, Engine } from '../../../core/index.js';
import { estimateLoss, fullLoss } from '../loss/estimate-loss.js';
import { openStoredRun } from '../../../core/runs.js';

interface EvaluateFlags extends StoredFlags {
  iters: number;
  set: string[];
  json?: boolean;
}

export const command: CommandDefinition = { order: 70, define };

function define(command: Command): void {
  command
    .description('measure a trained model: its loss over the whole validation data, and an estimate on training data')
    .addArgument(runArgument());
  withStoredFlags(command)
    .option('--iters <count>', 'batches of training data to estimate from', wholeFrom(1), 50)
    .addOption(setOption('change a setting, e.g. data.text=other.txt; repeatable'))
    .option('--json', 'print JSON')
    .action(async (from: string | undefined, flags: EvaluateFlags) => {
      const slots = ['engine', 'tokenizer', 'data', 'batches', 'model'] as const;
      const terminal = new Terminal({ quiet: true });
      const { best, weights } = flags;
      const request = { cwd: process.cwd(), set: flags.set, terminal, best, weights };
      const { run, checkpoint } = await openStoredRun(from ?? newestRun(process.cwd()), slots, request);
      try {
        const shape = { batchSize: run.config.train.batch_size, blockSize: run.model.blockSize };
        const batches = run.container.resolve(BatchSource);
        const engine = run.container.resolve(Engine);
        const facts = {
          checkpoint: checkpoint.path,
          iteration: checkpoint.state.run.iteration,
          'train/loss': await estimateLoss(run.model, batches, 'train', flags.iters, shape, { engine }),
          'val/loss': await fullLoss(run.model, run.container.resolve(Dataset).split('val'), shape, { engine }),
        };
        print(flags.json, facts, () =>
          [
            `${facts.checkpoint} (iteration ${String(facts.iteration)})`,
            `train loss ${facts['train/loss'].toFixed(4)} (${String(flags.iters)} random batches)`,
            `val loss   ${facts['val/loss'].toFixed(4)} (whole validation data)`,
          ].join('\n'),
        );
      } finally {
        await run.dispose();
      }
    });
}
