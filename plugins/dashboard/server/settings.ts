/**
 * Returns a config by dotted key (`optimizer.learning_rate`): scalars as text, lists as JSON, `{}` for an empty mapping,
 * so that a plugin without options is seen.
 * @param config as parsed from YAML
 */
export function settingsOf(config: unknown): Record<string, string> {
  return Object.fromEntries(entriesOf(config, ''));
}

function entriesOf(value: unknown, key: string): [string, string][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    if (key === '') return [];
    return [[key, typeof value === 'string' ? value : JSON.stringify(value)]];
  }
  const entries = Object.entries(value);
  if (entries.length === 0 && key !== '') return [[key, '{}']];
  return entries.flatMap(([name, each]) => entriesOf(each, key === '' ? name : `${key}.${name}`));
}
