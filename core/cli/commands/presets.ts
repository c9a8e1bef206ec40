import type { Command } from 'commander';
import type { CommandDefinition } from '../../command.js';
import { listPresets } from '../../config/preset-list.js';
import { print } from '../options.js';

export const command: CommandDefinition = { order: 140, define };

function define(command: Command): void {
  command
    .description('list the presets that come with espalier')
    .option('--json', 'print JSON')
    .action((flags: { json?: boolean }) => {
      const presets = listPresets();
      print(flags.json, presets, () => presets.map(({ name, summary }) => `${name.padEnd(14)} ${summary}`).join('\n'));
    });
}
