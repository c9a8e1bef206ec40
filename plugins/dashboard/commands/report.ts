import path from 'node:path';
import { Argument, type Command } from 'commander';
import { type CommandDefinition } from '../../command-line/contract.js';
import { messageOf, UsageError } from '../../../core/errors.js';
import { findRuns } from '../server/find-runs.js';
import { writeWholeSync } from '../../files/contract.js';

interface ReportFlags {
  out?: string;
}

export const command: CommandDefinition = { order: 90, define };

function define(command: Command): void {
  command
    .addArgument(new Argument('[run]', 'folder of a run (default: the newest in runs/)'))
    .description('write a run’s curves, config, samples and timings to one HTML file')
    .option('-o, --out <file>', 'file to write (default: report.html in the run folder)')
    .action(async (named: string | undefined, { out }: ReportFlags) => {
      const [run] = findRuns(named === undefined ? [] : [named], process.cwd());
      if (run === undefined) return;
      const file = out ?? path.join(run.name, 'report.html');
      const { reportOf } = await import('../server/report.js');
      const html = await reportOf(run.folder, run.name);
      try {
        writeWholeSync(file, html);
      } catch (thrown) {
        throw new UsageError('ESP_REPORT_WRITE', `${file} cannot be written: ${messageOf(thrown)}`, { cause: thrown });
      }
      console.log(`report: ${file}`);
    });
}
