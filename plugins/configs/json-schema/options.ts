import { z } from 'zod';
import { isSection, type JsonSchema } from '../../../core/runs.js';

/** What options are written in. */
export interface OptionForm {
  /** YAML: the core takes an unquoted number or boolean as it was written where text is wanted. Code: it does not. */
  readonly language: 'yaml' | 'code';
}

/**
 * The options that a schema takes, as JSON Schema (draft 7), with descriptions and defaults. No option of a section is
 * required: a preset, or `--set`, may give it.
 */
export function optionsSchema(schema: z.ZodType, form: OptionForm): JsonSchema {
  return cleaned(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', target: 'draft-7' }), form, false);
}

/** Keywords whose value is a schema, a list of schemas, or schemas by name. */
const ONE = ['items', 'additionalItems', 'additionalProperties', 'propertyNames', 'not', 'contains'];
const SEVERAL = ['anyOf', 'oneOf', 'allOf', 'items'];
const BY_NAME = ['properties', 'patternProperties', 'definitions'];
const PLAIN = [
  ...['type', 'enum', 'const', 'description', 'default', 'required', 'pattern', 'minLength', 'maxLength', '$ref'],
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf', 'minItems', 'maxItems'],
];

/**
 * Without what is no JSON Schema, such as `aka` and `resume`.
 * @param inList what is in a list is not merged with what another layer has there, so it is whole
 */
function cleaned(schema: Readonly<Record<string, unknown>>, form: OptionForm, inList: boolean): JsonSchema {
  const result: JsonSchema = {};
  const within = (inner: unknown, isItem = inList): unknown =>
    isSection(inner) ? cleaned(inner, form, isItem) : inner;
  for (const [key, value] of Object.entries(schema)) {
    if (SEVERAL.includes(key) && Array.isArray(value)) {
      // Without `required`, several alternatives may fit.
      result[key === 'oneOf' ? 'anyOf' : key] = value.map((each: unknown) => within(each, inList || key === 'items'));
    } else if (ONE.includes(key)) {
      result[key] = within(value, inList || ['items', 'additionalItems'].includes(key));
    } else if (BY_NAME.includes(key) && isSection(value)) {
      result[key] = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, within(inner)]));
    } else if (PLAIN.includes(key) && (key !== 'required' || inList)) {
      result[key] = value;
    }
  }
  return form.language === 'yaml' ? withUnquotedText(result) : result;
}

function withUnquotedText(schema: JsonSchema): JsonSchema {
  const isText = schema['type'] === 'string' && !('enum' in schema) && !('const' in schema);
  return isText ? { ...schema, type: ['string', 'number', 'boolean'] } : schema;
}
