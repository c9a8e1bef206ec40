import type { Command } from 'commander';
import { aligned } from '../printing/aligned.js';
import { ofPackage } from '../printing/metric-lines.js';
import type { CommandDefinition } from '../shell/definition.js';
import { print } from '../shell/options.js';

export const command: CommandDefinition = { order: 140, define };

function define(command: Command): void {
  command
    .description('list presets, including those of packages of this project')
    .option('--json', 'print JSON')
    .action(async (flags: { json?: boolean }) => {
      const { listPresets } = await import('../../configs/contract.js');
      const presets = listPresets(process.cwd());
      print(flags.json, presets, () =>
        aligned(presets.map(({ name, summary, source }) => [name, `${summary}${ofPackage(source)}`])).join('\n'),
      );
    });
}
