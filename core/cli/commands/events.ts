import type { Command } from 'commander';
import type { CommandDefinition } from '../../command.js';
import { EventTable, type DeclaredEvent } from '../../events/table.js';
import { print } from '../options.js';

export const command: CommandDefinition = { order: 150, define };

function define(command: Command): void {
  command
    .description('print the events of a run, in their order, with what they carry')
    .option('--json', 'print JSON')
    .action((flags: { json?: boolean }) => {
      const events = new EventTable().list();
      print(flags.json, Object.fromEntries(events.map((event) => [event.name, factsOf(event)])), () =>
        events.map(showEvent).join('\n'),
      );
    });
}

function factsOf({ from, when, payload }: DeclaredEvent): object {
  const fields = Object.entries(payload);
  return {
    from,
    when,
    payload: Object.fromEntries(fields.map(([name, { what }]) => [name, what])),
    mayReplace: fields.filter(([, { replaceable }]) => replaceable).map(([name]) => name),
  };
}

function showEvent({ name, when, payload }: DeclaredEvent): string {
  const fields = Object.entries(payload).map(
    ([field, { what, replaceable }]) => `    ${field}${replaceable ? ' (may be replaced)' : ''}: ${what}`,
  );
  return [`${name}: ${when}`, ...fields].join('\n');
}
