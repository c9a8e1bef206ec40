import test from 'ava';
import { coreSchema } from '../../../core/config/schema.js';
import { describeOptions } from '../../../plugins/configs/printing/options.js';
import { builtInNames, loadBuiltIn } from '../../../core/families/load.js';
import { policyIn } from '../../../plugins/checkpoint/resume/policy.js';

test('every field of the core and the built-in plugins has a resume policy', async (t) => {
  const plugins = await Promise.all(builtInNames().map(loadBuiltIn));
  const schemas = [
    ['core', coreSchema] as const,
    ...plugins.map(({ options }) => [options.name, options.config] as const),
  ];
  for (const [name, schema] of schemas) {
    if (schema === undefined) continue;
    for (const { name: option, resume } of describeOptions(schema)) {
      t.true(resume === 'fixed' || resume === 'warn' || resume === 'free', `${name}: ${option}`);
    }
  }
});

test('a field has its own resume policy, else that of the enclosing section', (t) => {
  t.is(policyIn(coreSchema, ['seed']), 'fixed');
  t.is(policyIn(coreSchema, ['precision']), 'warn');
  t.is(policyIn(coreSchema, ['train', 'max_iters']), 'free');
});
