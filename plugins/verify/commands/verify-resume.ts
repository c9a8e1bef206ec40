import path from 'node:path';
import type { Command } from 'commander';
import {
  type CommandDefinition,
  type SetExitCode,
  print,
  withConfigFlags,
  wholeFrom,
  type ConfigFlags,
} from '../../command-line/contract.js';
import { comparingRuns, SCOPE } from '../training/child-training.js';

interface VerifyFlags extends ConfigFlags {
  iters: number;
  json?: boolean;
  keep?: boolean;
}

const EXIT_FAILED = 1;
/** Settings that make the runs save what is compared. */
const COMPARED = ['plugins.batch-digest={}', 'plugins.checkpoint={}', 'plugins.training-metrics.interval=1'];

export const command: CommandDefinition = { order: 110, define };

function define(command: Command, setExitCode: SetExitCode): void {
  command.description('check that a stopped and resumed run gives the same bits as an uninterrupted one');
  withConfigFlags(command)
    .option('-n, --iters <count>', 'iterations before the stop, and again after it', wholeFrom(1), 10)
    .option('--keep', 'keep the two runs and print their folder')
    .option('--json', 'print JSON')
    .action((flags: VerifyFlags) =>
      comparingRuns(async (runs) => {
        runs.keep = flags.keep ?? false;
        const folders = [path.join(runs.folder, 'whole'), path.join(runs.folder, 'parts')] as const;
        const { iters } = flags;
        const say = (line: string): void => {
          if (flags.quiet !== true && flags.json !== true) console.error(line);
        };
        const train = async (folder: string, iterations: number, more: readonly string[] = []): Promise<void> => {
          const set = [`run.dir=${JSON.stringify(folder)}`, ...COMPARED];
          await runs.start(flags, set, ['--stop-after', String(iterations), ...more]).ended;
        };
        say(`training ${String(2 * iters)} iterations without a stop`);
        await train(folders[0], 2 * iters);
        say(`training ${String(iters)} iterations, then ${String(iters)} more in another process`);
        await train(folders[1], iters);
        // `resume=auto`, unlike --resume, leaves a run ended that a plugin ended before the stop.
        await train(folders[1], iters, ['--set', 'resume=auto']);
        const { compareRuns } = await import('../resume/compare.js');
        const { validationLosses } = await import('../../checkpoint/contract.js');
        const { same, difference } = await compareRuns(folders);
        const evaluated = [...(await validationLosses(folders[1])).keys()];
        const notes = evaluated.some((iteration) => iteration > iters) ? [] : [noEvaluation(iters)];
        print(flags.json, { same, difference: difference ?? null, iterations: iters, scope: SCOPE, notes }, () =>
          [
            ...same.map((what) => `the same: ${what}`),
            difference === undefined ? 'The resumed run is the same run, bit for bit.' : `DIFFERENT: ${difference}`,
            ...notes,
            SCOPE,
          ].join('\n'),
        );
        if (runs.keep) console.error(`the runs are in ${runs.folder}`);
        if (difference !== undefined) setExitCode(EXIT_FAILED);
      }),
    );
}

/** Returns a note for runs without an evaluation after the stop, which do not test what plugins do at evaluations. */
function noEvaluation(iters: number): string {
  const interval = Math.max(1, Math.floor(iters / 2));
  return `Not compared: an evaluation after the stop, because none was due. --set plugins.evaluation.interval=${String(interval)} causes one.`;
}
