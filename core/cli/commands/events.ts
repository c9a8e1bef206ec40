import type { Command } from 'commander';
import type { CommandDefinition } from '../../command.js';
import { lifecycle } from '../../events/lifecycle.js';
import { print } from '../options.js';

export const command: CommandDefinition = { order: 150, define };

function define(command: Command): void {
  command
    .description('print the events of a run, in their order, with what they carry')
    .option('--json', 'print JSON')
    .action((flags: { json?: boolean }) => {
      print(flags.json, lifecycle, () =>
        Object.entries(lifecycle)
          .map(([name, { when, payload, mayReplace }]) =>
            [
              `${name}: ${when}`,
              ...Object.entries(payload).map(
                ([field, what]) => `    ${field}${mayReplace.includes(field) ? ' (may be replaced)' : ''}: ${what}`,
              ),
            ].join('\n'),
          )
          .join('\n'),
      );
    });
}
