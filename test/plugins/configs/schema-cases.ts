import { isSection, type Settings } from '../../../core/config/composed.js';
import type { JsonSchema } from '../../../core/config/json-schema.js';
import fc from '../../property.js';

/** A place in a config: keys from the top. */
type Place = readonly string[];

/** A config with one thing changed, which may be wrong. */
export interface Case {
  readonly config: Settings;
  /** What was done to it; undefined where nothing was. */
  readonly change?: { readonly place: Place; readonly value: unknown };
}

/** What is written where something else may belong. */
const wrong: readonly unknown[] = [
  ...[true, false, 'x', '', 'auto', './nowhere.ts', -1, 0, 0.5, 1.5, 1e9, 1e300, null, [], ['x'], [1, 2], {}, { x: 1 }],
];

/** Configs whose values each fit the schema, some with a value replaced, or a key added. */
export function cases(schema: JsonSchema, slotNames: Readonly<Record<string, readonly string[]>>): fc.Arbitrary<Case> {
  return configs(schema, slotNames).chain((config) => {
    const places = placesIn(config, []);
    const sections = [[], ...places.filter((place) => isSection(at(config, place)))];
    const replaced = fc.tuple(
      fc.constantFrom(...(places.length === 0 ? [['seed']] : places)),
      fc.constantFrom(...wrong),
    );
    const added = fc.tuple(
      fc
        .tuple(fc.constantFrom(...sections), fc.constantFrom('iters', 'n_layers', 'use', 'x-mine', 'x'))
        .map(([place, key]) => [...place, key]),
      fc.constantFrom<unknown>(1, null, false, {}, 'text'),
    );
    const change = fc.oneof({ weight: 3, arbitrary: replaced }, { weight: 1, arbitrary: added });
    return fc.oneof(
      { weight: 1, arbitrary: fc.constant({ config }) },
      {
        weight: 3,
        arbitrary: change.map(([place, value]) => ({
          config: withValue(config, place, value),
          change: { place, value },
        })),
      },
    );
  });
}

function configs(schema: JsonSchema, slotNames: Readonly<Record<string, readonly string[]>>): fc.Arbitrary<Settings> {
  const values = new Values(schema);
  const { plugins, ...rest } = values.propertiesOf(schema);
  const top = Object.entries(rest).filter(([key]) => !['extends', '$schema', 'data'].includes(key));
  const slot = (key: string, name: string): fc.Arbitrary<unknown> =>
    fc.constantFrom(...(slotNames[key] ?? [])).chain((chosen) =>
      fc.oneof(
        { weight: 1, arbitrary: fc.constant(chosen) },
        {
          weight: 4,
          arbitrary: values
            .section(values.definition(`${key} ${chosen}`), [name, 'tokenizer'])
            .map((options) => ({ [name]: chosen, ...options })),
        },
      ),
    );
  const sections = top.map(([key, each]): [string, fc.Arbitrary<unknown>] => [
    key,
    key in slotNames ? slot(key, key === 'batches' ? 'strategy' : 'use') : values.of(each),
  ]);

  return fc.record(
    {
      extends: fc.constantFrom<unknown>('debug', ['char-small'], []),
      ...Object.fromEntries(sections),
      data: fc
        .tuple(slot('data', 'use'), fc.option(slot('tokenizer', 'use'), { nil: undefined }))
        .map(([own, tokenizer]) => (isSection(own) && tokenizer !== undefined ? { ...own, tokenizer } : own)),
      plugins: values.of(plugins),
    },
    { requiredKeys: [] },
  );
}

/** Values that fit parts of a schema. */
class Values {
  constructor(private readonly whole: JsonSchema) {}

  definition(name: string): JsonSchema {
    const { definitions } = this.whole;
    const found = isSection(definitions) ? definitions[name.replaceAll(/[^\w-]+/g, '-')] : undefined;
    if (!isSection(found)) throw new Error(`the schema has no definition ${name}`);
    return { ...found };
  }

  propertiesOf(schema: Settings): Record<string, unknown> {
    const { properties } = schema;
    return isSection(properties) ? { ...properties } : {};
  }

  /** Some of the options of a section. */
  section(schema: Settings, without: readonly string[] = []): fc.Arbitrary<Record<string, unknown>> {
    const entries = Object.entries(this.propertiesOf(schema)).filter(([key]) => !without.includes(key));
    const required: readonly unknown[] = Array.isArray(schema['required']) ? schema['required'] : [];
    return fc
      .subarray(entries, { maxLength: Math.min(4, entries.length) })
      .chain((some) =>
        fc.record(
          Object.fromEntries(
            [...entries.filter(([key]) => required.includes(key)), ...some].map(([key, each]) => [key, this.of(each)]),
          ),
        ),
      );
  }

  of(schema: unknown): fc.Arbitrary<unknown> {
    if (!isSection(schema)) return fc.constant(1);
    const { anyOf, type, items, enum: listed, $ref, additionalProperties: others } = schema;
    if (typeof $ref === 'string') return this.of(this.definition($ref.slice('#/definitions/'.length)));
    if ('const' in schema) return fc.constant(schema['const']);
    if (Array.isArray(listed)) return fc.constantFrom(...listed.map((each: unknown) => each));
    if (Array.isArray(anyOf)) return fc.oneof(...anyOf.map((each) => this.of(each)));
    const types = Array.isArray(type) ? type : [type];
    if (types.includes('string')) return fc.constantFrom<unknown>('a', 'a.txt', '12', 12, 0.5, true);
    if (types.includes('integer') || types.includes('number')) return numbers(schema, type === 'integer');
    if (types.includes('boolean'))
      return types.includes('null') ? fc.constantFrom<unknown>(true, false, null) : fc.boolean();
    if (types.includes('null')) return fc.constant(null);
    if (types.includes('array')) {
      if (Array.isArray(items)) return fc.tuple(...items.map((each: unknown) => this.of(each)));
      const least = typeof schema['minItems'] === 'number' ? schema['minItems'] : 0;
      return fc.array(this.of(items), { minLength: least, maxLength: least + 2 });
    }
    if (Object.keys(this.propertiesOf(schema)).length > 0) return this.section(schema);
    return isSection(others) ? fc.dictionary(fc.constantFrom('a', 'wiki'), this.of(others)) : fc.constant({});
  }
}

function numbers(schema: Settings, isInteger: boolean): fc.Arbitrary<unknown> {
  const limit = (key: string, none: number): number => {
    const value = schema[key];
    return typeof value === 'number' ? value : none;
  };
  const least = Math.max(limit('minimum', -4), limit('exclusiveMinimum', -4));
  const most = Math.min(limit('maximum', 1e6), limit('exclusiveMaximum', 1e6));
  const some = isInteger
    ? [least, least + 1, least + 2, least + 4, most]
    : [least + (most - least) / 1e6, least + 0.25 * Math.min(1, most - least), (least + most) / 2];
  return fc.constantFrom(...some.filter((value) => value <= most));
}

function placesIn(value: unknown, path: Place): Place[] {
  if (!isSection(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => [[...path, key], ...placesIn(inner, [...path, key])]);
}

function at(value: unknown, [key, ...rest]: Place): unknown {
  if (key === undefined) return value;
  return isSection(value) ? at(value[key], rest) : undefined;
}

function withValue(config: Settings, [key = '', ...rest]: Place, value: unknown): Settings {
  const inner = config[key];
  return { ...config, [key]: rest.length === 0 ? value : withValue(isSection(inner) ? inner : {}, rest, value) };
}
