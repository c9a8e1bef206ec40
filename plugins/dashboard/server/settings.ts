import { eachLeaf, isSection, pathKey } from '../../../core/runs.js';

/**
 * Returns a config by key as `--set` takes it (`optimizer.learning_rate`, `plugins."./my-plugin.ts".above`): scalars as
 * text, lists as JSON, `{}` for an empty mapping, so that a plugin without options is seen.
 * @param config as parsed from YAML
 */
export function settingsOf(config: unknown): Record<string, string> {
  const settings: Record<string, string> = {};
  if (!isSection(config)) return settings;
  eachLeaf(config, (path, value) => {
    if (path.length > 0) settings[pathKey(path)] = typeof value === 'string' ? value : JSON.stringify(value);
  });
  return settings;
}
