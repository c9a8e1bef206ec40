import { UsageError } from '../../../core/errors.js';
import { suggestion, type PluginOptions, type Slot } from '../../../core/index.js';
import {
  defaultOf,
  isSection,
  jsonSchemaOf,
  loadAll,
  pathAdvice,
  pathKey,
  pluginPackages,
  propertiesOf,
  shortNameIn,
  slotKeys,
  type FoundPlugin,
} from '../../../core/runs.js';

/** Returns the error for a name that no plugin of the slot has, with the nearest names. */
export async function unknownPlugin(name: string, cwd: string, slot: Slot | undefined): Promise<UsageError> {
  const unknown = `unknown ${slot === undefined ? 'plugin' : slotKeys[slot].label} "${name}"`;
  const advice = pathAdvice(name, cwd);
  if (advice !== undefined) return new UsageError('ESP_PLUGIN_NOT_FOUND', `${unknown}: ${advice}`);
  const affix = slot === undefined ? '' : slotKeys[slot].fullName('');
  const { plugins, broken } = await loadAll(cwd);
  const fitting = plugins.filter(({ options }) => options.slot === slot).map(({ options }) => options.name);
  // A plugin that fails to load cannot say which slot it fills, but its name may.
  const likely = broken
    .map((each) => each.name)
    .filter((each) => (affix === '' ? slot === undefined : each.includes(affix)));
  const known = [...fitting, ...likely, ...pluginPackages(cwd)].map((full) =>
    slot === undefined ? full : shortNameIn(slot, full),
  );
  const filling = slot === undefined ? undefined : plugins.find(({ options }) => isDefault(options, slot));
  const meant = slot === undefined || filling === undefined ? '' : inputsOf(filling, slotKeys[slot].path);
  return new UsageError(
    'ESP_PLUGIN_NOT_FOUND',
    `${unknown}: ${suggestion(name, known, 'built-in ones')} (\`espalier plugins\` lists all; a path starts with ./)${meant}`,
  );
}

function isDefault({ name, slot }: PluginOptions, of: Slot): boolean {
  const named = defaultOf(slotKeys[of]);
  return slot === of && [named, slotKeys[of].fullName(named)].includes(name);
}

/**
 * `data=book.txt` is short for `data.use=book.txt`, but data.text was meant: suggests options marked `meta({ input })`.
 */
function inputsOf({ options: { config } }: FoundPlugin, path: readonly string[]): string {
  const properties = config === undefined ? {} : propertiesOf(jsonSchemaOf(config));
  const inputs = Object.entries(properties).flatMap(([key, property]) => {
    const input = isSection(property) ? property['input'] : undefined;
    return typeof input === 'string' ? [{ input, key: pathKey([...path, key]) }] : [];
  });
  return inputs
    .map(({ input, key }, i) => `${i === 0 ? '; ' : ', '}${input} ${i === 0 ? 'is named ' : ''}by ${key}`)
    .join('');
}
