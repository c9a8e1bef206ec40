import type { z } from 'zod';
import { isSection, jsonSchemaOf, pathKey, propertiesOf, type JsonSchema } from '../../../core/runs.js';

/** An option of a schema, for listings and the reference page. */
export interface OptionDoc {
  /** Name, dotted for options of nested sections. */
  name: string;
  /** Type, e.g. `integer ≥ 1`, `"auto" | "f32"`, `string`. */
  type: string;
  /** Undefined if there is none. */
  default: unknown;
  /** Whether it must be set. */
  required: boolean;
  description: string;
  /** What a resumed run may do with it, if the schema says. */
  resume?: string;
  /** Other trainers' names for it. */
  aka?: readonly string[];
}

/** Lists a schema's options in order; those of a nested section come in its place. */
export function describeOptions(schema: z.ZodType): OptionDoc[] {
  const whole = jsonSchemaOf(schema);
  return optionsIn(whole, [], whole['resume']);
}

function optionsIn(schema: JsonSchema, path: string[], around: unknown): OptionDoc[] {
  const required: unknown[] = Array.isArray(schema['required']) ? schema['required'] : [];
  return Object.entries(propertiesOf(schema)).flatMap(([key, property]): OptionDoc[] => {
    if (!isSection(property)) return [];
    const at = [...path, key];
    const resume = property['resume'] ?? around;
    if (Object.keys(propertiesOf(property)).length > 0) return optionsIn(property, at, resume);
    return [
      {
        name: pathKey(at),
        type: typeOf(property),
        default: property['default'],
        required: required.includes(key),
        description: typeof property['description'] === 'string' ? property['description'] : '',
        ...(typeof resume === 'string' ? { resume } : {}),
        ...(Array.isArray(property['aka']) ? { aka: property['aka'].map(String) } : {}),
      },
    ];
  });
}

function typeOf(schema: JsonSchema): string {
  const alternatives: unknown = schema['anyOf'] ?? schema['oneOf'];
  if (Array.isArray(alternatives)) return alternatives.filter(isSection).map(typeOf).join(' | ');
  if (Array.isArray(schema['enum'])) return schema['enum'].map((value) => JSON.stringify(value)).join(' | ');
  if ('const' in schema) return JSON.stringify(schema['const']);
  const { items, type } = schema;
  if (type === 'array') return isSection(items) ? `list of ${typeOf(items)}` : 'list';
  const name = typeof type === 'string' ? type : 'any';
  if (name === 'object' && isSection(schema['properties']))
    return `{ ${Object.keys(schema['properties']).join(', ')} }`;
  return [name, ...limits(schema)].join(' ');
}

function limits(schema: JsonSchema): string[] {
  const named: [string, string][] = [
    ['minimum', '≥'],
    ['exclusiveMinimum', '>'],
    ['maximum', '≤'],
    ['exclusiveMaximum', '<'],
  ];
  return named.flatMap(([key, sign]) => {
    const limit = schema[key];
    return typeof limit === 'number' && Math.abs(limit) < Number.MAX_SAFE_INTEGER ? [`${sign} ${String(limit)}`] : [];
  });
}
