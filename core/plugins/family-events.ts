import { pathToFileURL } from 'node:url';
import { UsageError } from '../errors.js';
import type { EventDeclarations } from '../events/define.js';
import { builtInFamilies, type Family } from './families.js';

/**
 * What `events.js` of each family exports as `events`, with the family's name. None of their plugins is loaded.
 * @throws UsageError for a file without that export
 */
export async function eventsOfFamilies(
  families: readonly Family[] = builtInFamilies(),
): Promise<(readonly [family: string, events: EventDeclarations])[]> {
  const files = families.flatMap(({ name, events }) => (events === undefined ? [] : [{ name, events }]));
  return Promise.all(
    files.map(async ({ name, events: file }) => {
      const module: unknown = await import(pathToFileURL(file).href);
      if (declaresEvents(module)) return [name, module.events] as const;
      throw new UsageError('ESP_EVENT_EXPORT', `${file} exports no \`events\` made by defineEvents`);
    }),
  );
}

function declaresEvents(module: unknown): module is { readonly events: EventDeclarations } {
  if (typeof module !== 'object' || module === null || !('events' in module)) return false;
  return typeof module.events === 'object' && module.events !== null;
}
