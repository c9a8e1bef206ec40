import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { type CommandDefinition, requestOf, withConfigFlags, type ConfigFlags } from '../../command-line/contract.js';
import { UsageError } from '../../../core/errors.js';

export const command: CommandDefinition = { order: 60, define };

function define(command: Command): void {
  command.description('check scaling schedules');
  withConfigFlags(
    command
      .command('check')
      .description('check a scaling schedule against the config and print what each operation changes')
      .argument('<file>', 'YAML or JSON file'),
  ).action(async (file: string, flags: ConfigFlags) => {
    if (!existsSync(file))
      throw new UsageError('ESP_SCHEDULE_FILE', `there is no file ${file}; give a schedule to check`);
    const [{ makeRun }, { ScheduleCheck }] = await Promise.all([
      import('../../../core/runs.js'),
      import('../shared/operation.js'),
    ]);
    const set = [...flags.set, `plugins.scaling-schedule.file=${JSON.stringify(file)}`];
    const { run } = await makeRun({ ...requestOf(flags), set });
    try {
      console.log(run.container.resolve(ScheduleCheck).check().join('\n'));
    } finally {
      await run.dispose();
    }
  });
}
