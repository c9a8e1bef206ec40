import { z } from 'zod';
import { slots, type Slot } from '../../../core/index.js';
import { isSection, shortNameIn, slotKeys, slotsWithin, type JsonSchema } from '../../../core/runs.js';
import { optionsSchema } from './options.js';
import type { NamedPlugin } from './plugins.js';

/** The path of a plugin's file; one that the schema does not know may have any options. */
const PATH = '^(\\.|~/|/|[A-Za-z]:[\\\\/])';
/** What `engine` may have besides the names of engines. */
const AUTO = 'auto';

/** The schemas of what plugins fill: slots, and `plugins`. */
export class SlotSchemas {
  /** The options of each plugin, which the schemas refer to. */
  readonly definitions: Record<string, JsonSchema> = {};
  readonly #slots = new Map<Slot, JsonSchema>();

  /** @param unknown names of plugins whose options are not known */
  constructor(
    private readonly plugins: readonly NamedPlugin[],
    private readonly unknown: readonly string[],
  ) {}

  /** A plugin's name, or a section of options with the name beside them. */
  slot(slot: Slot): JsonSchema {
    const made = this.#slots.get(slot) ?? this.#slot(slot);
    this.#slots.set(slot, made);
    return made;
  }

  #slot(slot: Slot): JsonSchema {
    const { key } = slotKeys[slot];
    const filling = this.plugins.filter(({ options }) => options.slot === slot);
    const name = this.#nameIn(slot, filling);
    const choices = filling.map((plugin) => ({ names: plugin.names, options: this.#slotOptions(slot, plugin) }));
    const ofPlugin = choices.map(({ names, options }) => ({
      if: { properties: { [key]: { enum: names } }, required: [key] },
      then: options,
    }));
    // Without a name, the plugin is another layer's business, or that of this machine.
    const ofAny = {
      if: { properties: { [key]: { const: AUTO } } },
      then: { anyOf: choices.map(({ options }) => options) },
    };
    const section = { type: 'object', properties: { [key]: name }, allOf: [...ofPlugin, ofAny] };
    return { description: `the ${slot} plugin: its name, or its options with ${key}: NAME`, anyOf: [name, section] };
  }

  /** Features by name, each with its options. */
  features(): JsonSchema {
    const known = this.plugins.filter(({ options }) => options.slot === undefined);
    const entries = known.flatMap((plugin) => {
      const { names, options } = plugin;
      const schema = {
        description: options.summary,
        anyOf: [this.#define(names[0], optionsOf(plugin)), { type: ['boolean', 'null'] }],
      };
      return names.map((name): [string, JsonSchema] => [name, schema]);
    });
    const any = { type: ['object', 'boolean', 'null'] };
    return {
      description: 'features by name, each with its options; true: on with its defaults; false: off',
      type: 'object',
      properties: { ...Object.fromEntries(this.unknown.map((name) => [name, any])), ...Object.fromEntries(entries) },
      patternProperties: { [PATH]: any },
      // A plugin that this machine does not have may be turned off.
      additionalProperties: { enum: [false, null], errorMessage: 'there is no plugin of this name' },
    };
  }

  #nameIn(slot: Slot, filling: readonly NamedPlugin[]): JsonSchema {
    const usual = filling.map(({ names: [name], options }) => ({ const: name, description: options.summary }));
    const auto = slot === 'engine' ? [{ const: AUTO, description: 'The best engine that works on this machine.' }] : [];
    const others = [
      ...filling.flatMap(({ names: [, ...names] }) => names),
      ...this.unknown.flatMap((name) => [name, shortNameIn(slot, name)]),
    ];
    // As a pattern, so that editors do not offer them.
    const pattern = [PATH, ...others.map((name) => `^${escaped(name)}$`)].join('|');
    return { type: 'string', anyOf: [...auto, ...usual, { pattern }] };
  }

  #slotOptions(slot: Slot, plugin: NamedPlugin): JsonSchema {
    const within = slotsWithin(slotKeys[slot]).map((key): [string, JsonSchema] => {
      const inner = slots.find((each) => slotKeys[each].path.join('.') === [...slotKeys[slot].path, key].join('.'));
      return [key, inner === undefined ? {} : this.slot(inner)];
    });
    const beside = { [slotKeys[slot].key]: {}, ...Object.fromEntries(within) };
    return this.#define(`${slot} ${plugin.names[0]}`, withProperties(optionsOf(plugin), beside));
  }

  #define(name: string, schema: JsonSchema): JsonSchema {
    const plain = name.replaceAll(/[^\w-]+/g, '-');
    let key = plain;
    for (let n = 2; key in this.definitions; n++) key = `${plain}-${String(n)}`;
    this.definitions[key] = schema;
    return { $ref: `#/definitions/${key}` };
  }
}

function optionsOf({ options: { config = z.strictObject({}), summary } }: NamedPlugin): JsonSchema {
  return { description: summary, ...optionsSchema(config, { language: 'yaml' }) };
}

/** The schema of a section with further keys, in each of its alternatives. */
function withProperties(schema: JsonSchema, more: JsonSchema): JsonSchema {
  const alternatives = ['anyOf', 'allOf'].flatMap((key): [string, unknown][] => {
    const list: unknown = schema[key];
    return Array.isArray(list)
      ? [[key, list.map((each: unknown) => (isSection(each) ? withProperties({ ...each }, more) : each))]]
      : [];
  });
  const { properties } = schema;
  return {
    ...schema,
    ...Object.fromEntries(alternatives),
    ...(isSection(properties) ? { properties: { ...more, ...properties } } : {}),
  };
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
