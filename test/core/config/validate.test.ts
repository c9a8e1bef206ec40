import test from 'ava';
import { z } from 'zod';
import { valueAt, writtenAt, type ComposedConfig } from '../../../core/config/composed.js';
import { explainLines } from '../../../core/config/composed.js';
import { renderLines } from '../../../plugins/configs/printing/explained.js';
import { composeStored } from '../../../plugins/configs/layers/compose.js';
import { checkCore, filledConfig } from '../../../core/config/slots.js';
import { otherNames } from '../../../plugins/configs/hints/other-names.js';
import { describeOptions } from '../../../plugins/configs/printing/options.js';
import { coreSchema } from '../../../core/config/schema.js';
import { slotKeys } from '../../../core/config/slot-keys.js';
import { loadBuiltIns } from '../../../core/families/load.js';
import { accepted } from '../../../core/config/findings.js';
import { checkPart } from '../../../core/config/validate.js';
import { UsageError } from '../../../core/errors.js';
import { makeRun } from '../../../core/run/make.js';
import { checkedCore, compose, folderWith, yaml } from '../../plugins/configs/helpers.js';

const schema = z.strictObject({
  n_head: z.int().min(1).default(4),
  n_embd: z.int().default(128),
  keep: z
    .union([
      z.int().transform((last) => ({ last, best: 1 })),
      z.strictObject({ last: z.int(), best: z.int().default(1) }),
    ])
    .default({ last: 3, best: 1 }),
});

function messageFrom(run: () => unknown): string {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof UsageError) return thrown.message;
    throw thrown;
  }
  return 'nothing was thrown';
}

async function modelErrors(t: Parameters<typeof compose>[0], ...lines: string[]): Promise<string> {
  const composed = await compose(t, yaml('model:', ...lines));
  return messageFrom(() => accepted(checkPart(schema, ['model'], composed)));
}

test('a wrong type names file, line and key', async (t) => {
  t.is(
    await modelErrors(t, '  n_head: four'),
    'espalier.config.yaml:2: key model.n_head: expected number, received string ("four")',
  );
});

test('an error about an unknown key suggests the nearest known key, or lists all', async (t) => {
  t.is(
    await modelErrors(t, '  n_heads: 4'),
    'espalier.config.yaml:2: unknown key "n_heads" in model: did you mean "n_head"?',
  );
  t.is(
    await modelErrors(t, '  zzzzzzzz: 4'),
    'espalier.config.yaml:2: unknown key "zzzzzzzz" in model: known keys are n_head, n_embd, keep',
  );
  t.is(
    await modelErrors(t, '  keep: { last: 1, bset: 2 }'),
    'espalier.config.yaml:2: unknown key "bset" in model.keep: did you mean "best"?',
  );
});

test('other trainers’ names lead to our setting', async (t) => {
  const cwd = await folderWith(t, {});
  const said = async (setting: string): Promise<string> => {
    const set = ['data.text=x', setting];
    return (await t.throwsAsync(makeRun({ cwd, set }), { instanceOf: UsageError })).message;
  };
  t.is(await said('model.num_heads=4'), '--set: unknown key "num_heads" in model: did you mean "n_head"?');
  t.is(await said('model.lr=1'), '--set: unknown key "lr" in model: did you mean "optimizer.learning_rate"?');
  t.is(await said('max_steps=4'), '--set: unknown key "max_steps": did you mean "train.max_iters"?');
  t.is(await said('save_steps=4'), '--set: unknown key "save_steps": did you mean "plugins.checkpoint.interval"?');
  t.is(await said('dropout=0'), '--set: unknown key "dropout": did you mean "model.dropout"?');
  t.is(
    await said('lr=0.001'),
    '--set: key lr: expected the name of a plugin, or a map of its options; did you mean "optimizer.learning_rate"?',
  );
});

test('no name of another trainer means two settings', async (t) => {
  const { plugins } = await loadBuiltIns();
  const named = new Map<string, string>();
  const all = [
    { path: [] as readonly string[], schema: coreSchema },
    ...plugins.flatMap(({ options: { config: schema, slot, name } }) =>
      schema === undefined ? [] : [{ path: slot === undefined ? ['plugins', name] : slotKeys[slot].path, schema }],
    ),
  ];
  for (const { path, schema: part } of all) {
    for (const option of describeOptions(part)) {
      const place = [...path, option.name].join('.');
      for (const name of option.aka ?? []) {
        t.regex(name, /^[a-z\d_]+$/);
        t.is(named.get(name) ?? place, place, name);
        named.set(name, place);
      }
    }
  }
  const called = await otherNames();
  for (const [name, place] of named) t.is(called(name), place);
  t.is(called('Per-Device-Train-Batch-Size'), 'train.batch_size');
  t.is(called('accelerator'), 'engine');
  t.is(called('interval'), undefined);
});

test('an error about a value that fits no alternative names the alternatives', async (t) => {
  t.is(
    await modelErrors(t, '  keep: all'),
    'espalier.config.yaml:2: key model.keep: expected number or object ("all")',
  );
  t.is(await modelErrors(t, '  n_head:'), 'espalier.config.yaml:2: key model.n_head: it is empty; expected number');
  t.is(
    await modelErrors(t, '  keep: {}'),
    'espalier.config.yaml:2: key model.keep.last: it is missing; expected number',
  );
});

test('every problem is listed', async (t) => {
  const message = await modelErrors(t, '  n_head: 0', '  n_embd: x', '  other: 1');
  t.regex(message, /^the config has 3 problems:\n/);
  t.regex(message, /:2: key model\.n_head: Too small/);
  t.regex(message, /:3: key model\.n_embd/);
  t.regex(message, /:4: unknown key "other"/);
});

test('checking changes nothing: a composed config is frozen, and gives the same findings again', async (t) => {
  const composed = await compose(t, yaml('sed: 1', 'model: { n_head: four, keep: [1] }', 'train: { max_iters: -1 }'));
  const before = structuredClone(composed);
  const check = (): string => JSON.stringify([checkCore(composed), checkPart(schema, ['model'], composed)]);
  const found = check();
  t.is(check(), found);
  t.deepEqual({ ...composed }, before);
  t.true(Object.isFrozen(composed.value) && Object.isFrozen(composed.value['model']));
  t.true(Object.isFrozen(valueAt(composed.value, ['model', 'keep']).value));
});

test('one error lists what is wrong in every part: the core, slots, plugins and their options', async (t) => {
  const cwd = await folderWith(
    t,
    yaml(
      'sed: 1',
      'train: { max_iters: -1 }',
      'model: { n_haed: 4 }',
      'optimizer: adamv',
      'plugins: { evaluation: { interval: x }, ./gone.ts: {}, progres: false }',
    ),
  );
  const error = await t.throwsAsync(makeRun({ cwd, set: ['data.text=x', 'data.txt=y'] }), { instanceOf: UsageError });
  t.is(error.code, 'ESP_CONFIG_VALUE');
  const lines = error.message.split('\n').map((line) => line.trim());
  t.is(lines[0], 'the config has 8 problems:');
  for (const [index, expected] of [
    'espalier.config.yaml:1: unknown key "sed": did you mean "seed"?',
    'espalier.config.yaml:2: key train.max_iters: Too small: expected number to be >=0 (-1)',
    '--set: unknown key "txt" in data: did you mean "text"?',
    'espalier.config.yaml:3: unknown key "n_haed" in model: did you mean "n_head"?',
    'espalier.config.yaml:4: key optimizer.use: unknown optimizer "adamv": did you mean "adamw"?',
    'espalier.config.yaml:5: key plugins.progres: there is no plugin "progres" to turn off: did you mean "progress"?',
    'espalier.config.yaml:5: key plugins.evaluation.interval: expected number, received string ("x")',
    'espalier.config.yaml:5: key plugins."./gone.ts": plugin ./gone.ts: there is no file ',
  ].entries()) {
    t.true(lines[index + 1]?.startsWith(expected), `${String(lines[index + 1])}\n${expected}`);
  }
});

test('a wrong --set says so', async (t) => {
  const composed = await compose(t, {}, { set: ['model.n_head=x'] });
  t.regex(
    messageFrom(() => accepted(checkPart(schema, ['model'], composed))),
    /^--set: key model\.n_head: expected number/,
  );
});

test('a required key that is missing says so, with its section’s place', async (t) => {
  const composed = await compose(t, yaml('plugins:', '  alarm: {}'));
  const alarm = z.strictObject({ above: z.number() });
  t.is(
    messageFrom(() => accepted(checkPart(alarm, ['plugins', 'alarm'], composed))),
    'espalier.config.yaml:2: key plugins.alarm.above: it is missing; expected number',
  );
});

test('values that the schema fills in have the origin default; converted values keep theirs', async (t) => {
  const composed = await compose(t, yaml('model:', '  keep: 5'));
  t.deepEqual(accepted(checkPart(schema, ['model'], composed)), { n_head: 4, n_embd: 128, keep: { last: 5, best: 1 } });
  t.is(writtenAt(composed, ['model', 'n_head']), undefined);
  t.is(writtenAt(composed, ['model', 'keep', 'last'])?.line, 2);
});

test('a config is split into the core’s settings, slots and features', async (t) => {
  const composed = await compose(
    t,
    yaml(
      'seed: 5',
      'engine: wasm',
      'data: { text: a.txt, tokenizer: bpe }',
      'batches: { strategy: curriculum, alpha: 1 }',
      'plugins: { evaluation: { iters: 5 }, progress: true, wandb: false, signals: null, ./x.ts: { above: 1 } }',
    ),
  );
  const checked = checkCore(composed);
  t.is(checked.core?.seed, 5);
  t.is(checked.core?.train.max_iters, 2000);
  t.deepEqual(checked.slots, {
    engine: { use: 'wasm', options: {}, path: ['engine'] },
    tokenizer: { use: 'bpe', options: {}, path: ['data', 'tokenizer'] },
    data: { use: 'token-shards', options: { text: 'a.txt' }, path: ['data'] },
    batches: { use: 'curriculum', options: { alpha: 1 }, path: ['batches'] },
    model: { use: 'gpt', options: {}, path: ['model'] },
    optimizer: { use: 'adamw', options: {}, path: ['optimizer'] },
    lr: { use: 'warmup-cosine', options: {}, path: ['lr'] },
  });
  t.deepEqual(checked.features, [
    { use: 'evaluation', options: { iters: 5 }, path: ['plugins', 'evaluation'] },
    { use: 'progress', options: {}, path: ['plugins', 'progress'] },
    { use: './x.ts', options: { above: 1 }, path: ['plugins', './x.ts'] },
  ]);
  t.deepEqual(checked.off, ['wandb', 'signals']);
});

const wrong: [string, string[], RegExp][] = [
  ['an unknown section', ['modle: {}'], /^espalier\.config\.yaml:1: unknown key "modle": did you mean "model"\?$/],
  [
    'an unknown core key',
    ['train:', '  max_iter: 5'],
    /^espalier\.config\.yaml:2: unknown key "max_iter" in train: did you mean "max_iters"\?$/,
  ],
  ['a slot that is a list', ['model: [1]'], /:1: key model: expected the name of a plugin, or a map/],
  ['a name that is a number', ['model:', '  use: 5'], /:2: key model\.use: expected the name of a plugin/],
  ['plugins as a list', ['plugins: [evaluation]'], /:1: key plugins: expected a map of plugin names/],
  [
    'a plugin that is text',
    ['plugins:', '  ./x.ts: yes'],
    /:2: key plugins\."\.\/x\.ts": expected a map of options, true, or false/,
  ],
  ['data that is a number', ['data: 5'], /^espalier\.config\.yaml:1: key data: expected the name of a plugin/],
];
for (const [name, lines, message] of wrong) {
  test(`${name} is an error with its place`, async (t) => {
    const composed = await compose(t, yaml(...lines));
    t.regex(
      messageFrom(() => checkedCore(composed)),
      message,
    );
  });
}

async function filled(
  t: Parameters<typeof compose>[0],
): Promise<{ composed: ComposedConfig; value: Record<string, unknown> }> {
  const composed = await compose(
    t,
    yaml('engine: { threads: 2 }', 'model:', '  n_head: 2', 'plugins: { wandb: false }'),
  );
  const checked = checkCore(composed);
  const path = ['model'];
  const model = accepted(checkPart(schema, path, composed, checked.slots.model.options));
  return {
    composed,
    value: filledConfig(checkedCore(composed), checked, [
      { path, config: model },
      { path: ['engine'], config: { simd: true } },
    ]),
  };
}

test('the filled config holds every default and composes to itself', async (t) => {
  const { value } = await filled(t);
  t.deepEqual(value['model'], { use: 'gpt', n_head: 2, n_embd: 128, keep: { last: 3, best: 1 } });
  t.deepEqual(value['data'], { use: 'token-shards', tokenizer: { use: 'char' } });
  t.deepEqual(value['plugins'], { wandb: false });
  t.deepEqual(composeStored(value, 'x', []).value, value);
});

test('engine: auto stays in the filled config, without options of the engine chosen here', async (t) => {
  const { value } = await filled(t);
  t.deepEqual(value['engine'], { use: 'auto', threads: 2 });
});

test('explain prints every setting with its origin', async (t) => {
  const { composed, value } = await filled(t);
  const lines = explainLines(composed, value);
  const of = (path: string): unknown => lines.find((line) => line.path === path);
  t.deepEqual(of('model.n_head'), { path: 'model.n_head', value: 2, origin: 'espalier.config.yaml:3' });
  t.deepEqual(of('model.n_embd'), { path: 'model.n_embd', value: 128, origin: 'default' });
  t.deepEqual(of('model.use'), { path: 'model.use', value: 'gpt', origin: 'default' });
  t.deepEqual(of('plugins.wandb'), { path: 'plugins.wandb', value: false, origin: 'espalier.config.yaml:4' });
  const text = renderLines(lines.filter(({ path }) => path.startsWith('model.n_')));
  t.is(text, 'model.n_head  2    # espalier.config.yaml:3\nmodel.n_embd  128  # default');
});
