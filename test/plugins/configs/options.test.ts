import test from 'ava';
import { z } from 'zod';
import { knownKeys } from '../../../core/config/json-schema.js';
import { describeOptions } from '../../../plugins/configs/printing/options.js';

const schema = z.strictObject({
  interval: z.int().min(1).default(250).describe('iterations between evaluations'),
  rate: z.number().gt(0),
  kind: z.enum(['a', 'b']).optional(),
  names: z.array(z.string()).default([]),
  keep: z.strictObject({ last: z.int().default(3).describe('newest') }).prefault({}),
  either: z.union([z.string(), z.strictObject({ inner: z.string() })]).optional(),
  regular: z
    .string()
    .transform((text) => new RegExp(text))
    .optional(),
});

test('options are listed with type, default and description', (t) => {
  const none = { default: undefined, required: false, description: '' };
  t.deepEqual(describeOptions(schema), [
    {
      name: 'interval',
      type: 'integer ≥ 1',
      default: 250,
      required: false,
      description: 'iterations between evaluations',
    },
    { ...none, name: 'rate', type: 'number > 0', required: true },
    { ...none, name: 'kind', type: '"a" | "b"' },
    { ...none, name: 'names', type: 'list of string', default: [] },
    { ...none, name: 'keep.last', type: 'integer', default: 3, description: 'newest' },
    { ...none, name: 'either', type: 'string | { inner }' },
    { ...none, name: 'regular', type: 'string' },
  ]);
});

test('a schema without options lists none', (t) => {
  t.deepEqual(describeOptions(z.strictObject({})), []);
});

test('known keys are found through defaults and alternatives', (t) => {
  t.deepEqual(knownKeys(schema, ['keep']), ['last']);
  t.deepEqual(knownKeys(schema, ['either']), ['inner']);
  t.deepEqual(knownKeys(schema, ['interval']), []);
});
