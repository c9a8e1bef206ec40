import type { Command } from 'commander';
import { type CommandDefinition, Terminal, print, setOption, wholeFrom } from '../../command-line/contract.js';
import { newestRun, runArgument, withStoredFlags, type StoredFlags } from '../../runs/contract.js';

interface EvaluateFlags extends StoredFlags {
  iters: number;
  only?: string[];
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
    .description('measure losses of a trained model on all validation data, and run its evaluators')
    .addArgument(runArgument());
  withStoredFlags(command)
    .option('--iters <count>', 'training batches for the training loss', wholeFrom(1), 50)
    .option('--only <names>', 'comma-separated evaluators, validation sets, or loss; measures only these', names)
    .addOption(setOption('change a setting, e.g. data.text=other.txt; repeatable'))
    .option('--json', 'print JSON')
    .action(async (from: string | undefined, flags: EvaluateFlags) => {
      const { best, weights, set, iters, only } = flags;
      const request = { cwd: process.cwd(), set, terminal: new Terminal({ quiet: true }), best, weights };
      const { evaluateStored } = await import('../evaluators/evaluate-stored.js');
      const run = from ?? newestRun(process.cwd(), console.error);
      const { checkpoint, iteration, metrics } = await evaluateStored(run, request, { iters, only });
      print(flags.json, { checkpoint, iteration, ...metrics }, () =>
        [`${checkpoint} (iteration ${String(iteration)})`, ...lines(metrics, iters)].join('\n'),
      );
    });
}

function names(list: string): string[] {
  return list.split(',').map((name) => name.trim());
}

function lines(metrics: Readonly<Record<string, number>>, iters: number): string[] {
  const shownAs = (metric: string): readonly [name: string, over?: string] => {
    if (metric === 'train/loss') return ['train loss', `${String(iters)} random batches`];
    if (metric === 'val/loss') return ['val loss', 'whole validation data'];
    const [, set] = /^val\/loss\/(.+)$/.exec(metric) ?? [];
    return set === undefined ? [metric] : [`val loss of ${set}`];
  };
  const rows = Object.entries(metrics).map(([metric, value]) => ({ value, shown: shownAs(metric) }));
  const width = Math.max(...rows.map(({ shown: [name] }) => name.length));
  return rows.map(
    ({ value, shown: [name, over] }) =>
      `${name.padEnd(width)} ${value.toFixed(4)}${over === undefined ? '' : ` (${over})`}`,
  );
}
