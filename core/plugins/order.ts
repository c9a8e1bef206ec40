import { UsageError } from '../errors.js';
import type { PluginOptions } from './plugin.js';

/**
 * Sorts plugins so that each comes after those in its `after` and before those in its `before`. Otherwise they keep
 * their order, with `before: '*'` first. Names that are not present are ignored.
 * @throws UsageError that prints the cycle
 */
export function orderPlugins<P extends { options: PluginOptions }>(plugins: readonly P[]): P[] {
  const byName = new Map(plugins.map((plugin) => [plugin.options.name, plugin]));
  const predecessors = new Map(plugins.map((plugin) => [plugin.options.name, new Set(plugin.options.after ?? [])]));
  for (const { options } of plugins) {
    for (const later of options.before ?? []) predecessors.get(later)?.add(options.name);
  }
  const sorted: P[] = [];
  const done = new Set<string>();
  const visit = (name: string, chain: readonly string[]): void => {
    const plugin = byName.get(name);
    if (plugin === undefined || done.has(name)) return;
    if (chain.includes(name)) throw cycle([...chain.slice(chain.indexOf(name)), name]);
    for (const earlier of predecessors.get(name) ?? []) visit(earlier, [...chain, name]);
    done.add(name);
    sorted.push(plugin);
  };
  const early = plugins.filter(({ options }) => options.before?.includes('*') === true);
  for (const { options } of [...early, ...plugins]) visit(options.name, []);
  return sorted;
}

function cycle(chain: readonly string[]): UsageError {
  return new UsageError(
    'ESP_PLUGIN_CYCLE',
    `plugins wait for each other: ${chain.join(' after ')}; remove one \`after\` or \`before\``,
  );
}
