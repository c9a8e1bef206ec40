import type { Command } from 'commander';
import { EventTable, type DeclaredEvent } from '../../../core/events/index.js';
import { families, familyEvents } from '../../../core/installation.js';
import type { CommandDefinition } from '../shell/definition.js';
import { print, requestOf, withConfigFlags, type ConfigFlags } from '../shell/options.js';

export const command: CommandDefinition = { order: 150, define };

function define(command: Command): void {
  command.description('list events and their fields; with a config, also those of its plugins');
  withConfigFlags(command)
    .option('--json', 'print JSON')
    .action(async (flags: ConfigFlags & { json?: boolean }) => {
      const isOfRun = flags.preset.length > 0 || flags.set.length > 0 || flags.config !== undefined;
      const events = (
        isOfRun ? await eventsOfRun(flags) : new EventTable(await familyEvents(families(process.cwd())))
      ).list();
      print(flags.json, Object.fromEntries(events.map((event) => [event.name, factsOf(event)])), () =>
        events.map(showEvent).join('\n'),
      );
    });
}

async function eventsOfRun(flags: ConfigFlags): Promise<EventTable> {
  const { makeRun } = await import('../../../core/runs.js');
  const { run } = await makeRun(requestOf({ ...flags, quiet: true }));
  await run.dispose();
  return run.bus.events;
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

function showEvent({ name, from, when, payload }: DeclaredEvent): string {
  const fields = Object.entries(payload).map(
    ([field, { what, replaceable }]) => `    ${field}${replaceable ? ' (may be replaced)' : ''}: ${what}`,
  );
  const by = from === 'core' ? '' : ` (declared by ${from})`;
  return [`${name}: ${when}${by}`, ...fields].join('\n');
}
