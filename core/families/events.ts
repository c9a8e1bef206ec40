import { UsageError } from '../errors.js';
import type { EventDeclarations } from '../events/define.js';
import type { Family } from './family.js';
import { importFrom } from './outside.js';

/**
 * Returns the events that families declare in their file `events`, with the family's name, without loading any plugin.
 * @throws UsageError for a file that declares none
 */
export async function familyEvents(
  families: readonly Family[],
): Promise<(readonly [family: string, events: EventDeclarations])[]> {
  const declaring = families.filter(({ events }) => events !== undefined);
  return Promise.all(declaring.map(async (family) => [family.name, await eventsOf(family)] as const));
}

async function eventsOf({ source, events: file = '' }: Family): Promise<EventDeclarations> {
  const { exports: module } = await importFrom(file, source);
  if (declaresEvents(module)) return module.events;
  throw new UsageError(
    'ESP_EVENT_EXPORT',
    `${file} exports no \`events\` made by defineEvents: see docs/plugins/packages.md`,
  );
}

function declaresEvents(module: unknown): module is { readonly events: EventDeclarations } {
  if (typeof module !== 'object' || module === null || !('events' in module)) return false;
  return typeof module.events === 'object' && module.events !== null;
}
