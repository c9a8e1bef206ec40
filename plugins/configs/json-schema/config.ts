import { slots } from '../../../core/index.js';
import {
  coreScalars,
  coreSchema,
  propertiesOf,
  slotKeys,
  type ComposedConfig,
  type JsonSchema,
} from '../../../core/runs.js';
import { listPresets } from '../reading/presets.js';
import { dependenciesOf, shortName } from './dependencies.js';
import { optionsSchema } from './options.js';
import { namedPlugins } from './plugins.js';
import { SlotSchemas } from './slots.js';

/** A schema of configs, and what is missing from it. */
export interface ConfigSchema {
  readonly schema: JsonSchema;
  /** Plugins that do not load on this machine, whose options it leaves unchecked, with the reason. */
  readonly broken: ReadonlyMap<string, string>;
}

/**
 * A JSON Schema (draft 7) of the configs of a folder: YAML or JSON files, and presets. It accepts what a run accepts;
 * rules between several keys are the run's alone.
 * @param composed the folder's config, for the plugins that it names
 */
export async function configSchema(cwd: string, composed: ComposedConfig): Promise<ConfigSchema> {
  const { plugins, broken } = await namedPlugins(cwd, composed);
  const filling = new SlotSchemas(plugins, [...broken.keys()]);
  const core = propertiesOf(optionsSchema(coreSchema, { language: 'yaml' }));
  const top = slots.filter((slot) => slotKeys[slot].path.length === 1);
  const properties = {
    $schema: { type: 'string', description: 'schema of this file, for editors' },
    extends: extendsSchema(cwd),
    ...Object.fromEntries(
      Object.entries(core).map(([key, each]) => [key, coreScalars.includes(key) ? each : orEmpty(each)]),
    ),
    ...Object.fromEntries(top.map((slot) => [slotKeys[slot].path[0], orEmpty(filling.slot(slot))])),
    plugins: orEmpty(filling.features()),
  };
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Espalier config',
    type: 'object',
    properties,
    patternProperties: { '^x-': {} },
    additionalProperties: false,
    definitions: filling.definitions,
  };
  return { schema, broken };
}

/** A section at the top that is left empty says nothing. */
function orEmpty(schema: unknown): JsonSchema {
  return { anyOf: [schema, { type: 'null' }] };
}

const PRESET_PATH = '^(\\.|~/|/|[A-Za-z]:)|^[^@].*[\\\\/]|\\.(ya?ml|json|[cm]?js|ts)$';

function extendsSchema(cwd: string): JsonSchema {
  const known = listPresets(cwd).map(({ name, summary }) => ({ const: name, description: summary }));
  const packages = dependenciesOf(cwd).flatMap((name) => [name, shortName(name, 'preset') ?? name]);
  const one = { type: 'string', anyOf: [...known, { enum: [...new Set(packages)] }, { pattern: PRESET_PATH }] };
  if (packages.length === 0) one.anyOf.splice(known.length, 1);
  return {
    description: 'presets that this config is laid over: names, packages, or paths relative to this file',
    anyOf: [one, { type: 'array', items: one }, { type: 'null' }],
  };
}
