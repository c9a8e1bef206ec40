import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv } from 'ajv';
import test from 'ava';
import { parse } from 'yaml';
import { z } from 'zod';
import { checkConfig } from '../../../core/config/check.js';
import type { Settings } from '../../../core/config/composed.js';
import type { JsonSchema } from '../../../core/config/json-schema.js';
import { shownFinding } from '../../../core/config/findings.js';
import { UsageError } from '../../../core/errors.js';
import { composeRequest } from '../../../core/run/make.js';
import { readTextFile } from '../../../plugins/files/contract.js';
import { listPresets } from '../../../plugins/configs/reading/presets.js';
import { emptyFolder, sharedFolder } from '../../e2e/command.js';
import { espalier } from '../../e2e/warm.js';
import fc from '../../property.js';
import { cases, type Case } from './schema-cases.js';

/**
 * Rules that a run checks and the schema does not know: by what the run says. docs/guides/editor-completion.md lists
 * them. Everything else is accepted by both, or refused by both.
 */
const runtimeOnly: Readonly<Record<string, RegExp>> = {
  'sizes that fit each other': /must divide|even width|is over n_embd|needs a rank|must be below/,
  'options that need another, or one of several': /give one of|needs momentum|it is missing/,
  'names in maps': /a name is made of|name at least one file|the name of a set must/,
  'names of runs that are no folder names': /must be a valid folder name|letters, digits/,
  'a file that is not there, or a plugin’s that fills something else': /there is no (preset )?file|cannot be used as/,
  'a misspelled name that is turned off': /there is no plugin .* to turn off/,
  'an engine that does not work here': /does not work here/,
};

const folder = sharedFolder();
const file = path.join(folder, 'espalier.config.json');
writeFileSync(
  path.join(folder, 'alarm.ts'),
  `import { Plugin, z } from 'espalier';
@Plugin({ name: 'alarm', summary: 'rings', config: z.strictObject({ above: z.number().max(9).default(4) }) })
export default class Alarm {}
`,
);
writeFileSync(
  path.join(folder, 'slope.ts'),
  `import { schedulePlugin, z } from 'espalier';
export default schedulePlugin({
  name: 'slope',
  summary: 'falls',
  options: { share: z.number().min(0).max(1).default(0.5) },
  rate: (_iteration, { base }) => base,
});
`,
);
const named = { plugins: { './alarm.ts': {} }, lr: './slope.ts' };
writeFileSync(file, JSON.stringify(named));

async function schemaOf(cwd: string): Promise<JsonSchema> {
  const { code, out, err } = await espalier(cwd, 'schema');
  if (code !== 0) throw new Error(err);
  return z.record(z.string(), z.unknown()).parse(JSON.parse(out));
}

/** What a run says against the config in the file; nothing where it accepts it. */
async function refusals(): Promise<string[]> {
  const request = { cwd: folder };
  try {
    const { findings = [] } = await checkConfig(await composeRequest(request), request);
    return findings.map(shownFinding);
  } catch (thrown) {
    if (thrown instanceof UsageError) return [thrown.message];
    throw thrown;
  }
}

test.serial(
  'a thousand configs, most with something changed: the schema accepts what a run accepts, and no single fault',
  async (t) => {
    const schema = await schemaOf(folder);
    const accepts = new Ajv({ strict: false }).compile(schema);
    const both = { accept: 0, refuse: 0, runtimeOnly: 0 };
    const slotNames = {
      engine: ['cpu', 'wasm'],
      data: ['token-shards'],
      tokenizer: ['char', 'gpt2', 'hf'],
      batches: ['random', 'curriculum', 'mixture'],
      model: ['gpt', 'llama'],
      optimizer: ['adamw', 'muon', 'sgd'],
      lr: ['warmup-cosine', 'wsd', './slope.ts'],
    };
    const holds = async ({ config, change }: Case): Promise<boolean> => {
      writeFileSync(file, JSON.stringify(config));
      const said = await refusals();
      const isValid = accepts(config);
      if (said.length === 0) {
        // The text "null" is what a run reads there; the schema has it put in quotes.
        if (!isValid && change?.value === null) return true;
        if (isValid) both.accept++;
        return isValid;
      }
      if (!isValid) both.refuse++;
      else if (said.every((each) => Object.values(runtimeOnly).some((rule) => rule.test(each)))) both.runtimeOnly++;
      else throw new Error(`the schema accepts it, a run says: ${said.join('; ')}`);
      return true;
    };
    await fc.assert(fc.asyncProperty(cases(schema, slotNames), holds), { numRuns: 1000, includeErrorInReport: true });
    t.log(both);
    t.true(both.accept > 200 && both.refuse > 200, JSON.stringify(both));
  },
);

const faults: Readonly<Record<string, Settings>> = {
  'an unknown key at the top': { trian: {} },
  'an unknown key in a section': { train: { max_itres: 3 } },
  'a wrong type': { train: { max_iters: 'many' } },
  'out of range': { train: { batch_size: 0 } },
  'a value that is not listed': { precision: 'f31' },
  'an unknown plugin of a slot': { batches: 'randm' },
  'the wrong key for the name': { batches: { use: 'random' } },
  'an unknown option of a slot’s plugin': { model: { use: 'gpt', n_layers: 2 } },
  'an option of another plugin of the slot': { model: { use: 'gpt', n_kv_head: 2 } },
  'an option of none of them': { model: { n_layers: 2 } },
  'a slot within a slot': { data: { tokenizer: 'chars' } },
  'an unknown feature': { plugins: { progres: {} } },
  'an unknown option of a feature': { plugins: { checkpoint: { intervall: 3 } } },
  'a wrong option within an option': { plugins: { checkpoint: { keep: { last: 0 } } } },
  'an unknown preset': { extends: 'char-smal' },
  'an unknown option of a plugin of one’s own': { plugins: { './alarm.ts': { over: 3 } } },
  'an option out of range of a plugin of one’s own': { plugins: { './alarm.ts': { above: 10 } } },
  'the same in a slot': { lr: { use: './slope.ts', share: 2 } },
};

test.serial('single faults are refused by the schema, and by a run', async (t) => {
  writeFileSync(file, JSON.stringify(named));
  const accepts = new Ajv({ strict: false }).compile(await schemaOf(folder));
  for (const [what, config] of Object.entries(faults)) {
    t.false(accepts(config), what);
    writeFileSync(file, JSON.stringify(config));
    t.not((await refusals()).length, 0, what);
  }
});

test('every preset fits the schema of a folder without a config', async (t) => {
  const accepts = new Ajv({ strict: false }).compile(await schemaOf(emptyFolder(t)));
  for (const { name, file: preset } of listPresets()) {
    t.true(accepts(parse(readTextFile(preset))), `${name}: ${JSON.stringify(accepts.errors)}`);
  }
  t.true(accepts({ 'x-mine': 3, model: null, plugins: { './new.ts': { any: 1 }, 'not-here': false } }));
});

test('options have their descriptions and defaults; --out writes the file', async (t) => {
  const cwd = emptyFolder(t);
  const { code, out, err } = await espalier(cwd, 'schema', '--out', 'espalier.schema.json');
  t.is(code, 0, err);
  t.regex(out, /wrote espalier\.schema\.json/);
  const schema = JSON.parse(readTextFile(path.join(cwd, 'espalier.schema.json')));
  t.like(schema.properties.seed, {
    type: 'integer',
    default: 1337,
    description: 'seed of every random number of the run',
  });
  t.like(schema.definitions['model-gpt'].properties.n_layer, { minimum: 1, default: 4, description: 'blocks' });
  t.like(schema.definitions.evaluation.properties.interval, { type: 'integer' });
});

test('a plugin that does not load is named, and its options are not checked', async (t) => {
  const cwd = emptyFolder(t);
  writeFileSync(path.join(cwd, 'broken.ts'), 'throw new Error("no such machine");\n');
  writeFileSync(path.join(cwd, 'espalier.config.yaml'), 'plugins: { ./broken.ts: { some: 1 } }\n');
  const { code, out, err } = await espalier(cwd, 'schema');
  t.is(code, 0, err);
  t.regex(err, /the options of \.\/broken\.ts are left unchecked: .*no such machine/);
  t.true(new Ajv({ strict: false }).compile(JSON.parse(out))({ plugins: { './broken.ts': { some: 1 } } }));
});
