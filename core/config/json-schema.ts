import { z } from 'zod';
import { isSection, type ConfigPath } from './composed.js';

export type JsonSchema = Record<string, unknown>;

/** Converts a schema to the JSON schema of its input, including each option's `meta`. */
export function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  return { ...z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) };
}

export function propertiesOf(schema: JsonSchema): Record<string, unknown> {
  const { properties } = schema;
  return isSection(properties) ? properties : {};
}

/** Returns the keys that a schema accepts at a path within it. */
export function knownKeys(schema: z.ZodType, path: ConfigPath): string[] {
  let candidates = branches(jsonSchemaOf(schema));
  for (const key of path) {
    candidates = candidates.flatMap((candidate) => {
      const next = propertiesOf(candidate)[key] ?? candidate['additionalProperties'] ?? candidate['items'];
      return isSection(next) ? branches(next) : [];
    });
  }
  return [...new Set(candidates.flatMap((candidate) => Object.keys(propertiesOf(candidate))))];
}

/** Returns the schema and all its alternatives. */
function branches(schema: JsonSchema): JsonSchema[] {
  const inner = ['anyOf', 'oneOf', 'allOf'].flatMap((key): unknown[] => {
    const list = schema[key];
    return Array.isArray(list) ? list : [];
  });
  return [schema, ...inner.filter(isSection).flatMap(branches)];
}
