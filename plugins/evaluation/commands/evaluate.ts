import type { Command } from 'commander';
import { type CommandDefinition, Terminal, print, setOption, wholeFrom } from '../../command-line/contract.js';
import { newestRun, runArgument, withStoredFlags, type StoredFlags } from '../../runs/contract.js';

interface EvaluateFlags extends StoredFlags {
  iters: number;
  set: string[];
  json?: boolean;
}

export const command: CommandDefinition = {
  order: 70,
  define,
  aka: { eval: 'evaluate', test: 'evaluate', validate: 'evaluate' },
};

function define(command: Command): void {
  command
    .description('measure a trained model: its loss over the whole validation data, and an estimate on training data')
    .addArgument(runArgument());
  withStoredFlags(command)
    .option('--iters <count>', 'batches of training data to estimate from', wholeFrom(1), 50)
    .addOption(setOption('change a setting, e.g. data.text=other.txt; repeatable'))
    .option('--json', 'print JSON')
    .action(async (from: string | undefined, flags: EvaluateFlags) => {
      const { best, weights, set } = flags;
      const request = { cwd: process.cwd(), set, terminal: new Terminal({ quiet: true }), best, weights };
      const { storedLosses } = await import('../loss/stored-losses.js');
      const facts = await storedLosses(from ?? newestRun(process.cwd(), console.error), request, flags.iters);
      print(flags.json, facts, () =>
        [
          `${facts.checkpoint} (iteration ${String(facts.iteration)})`,
          `train loss ${facts['train/loss'].toFixed(4)} (${String(flags.iters)} random batches)`,
          `val loss   ${facts['val/loss'].toFixed(4)} (whole validation data)`,
        ].join('\n'),
      );
    });
}
