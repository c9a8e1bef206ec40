import path from 'node:path';
import test from 'ava';
import { originAt, showOrigin } from '../../../core/config/composed.js';
import { composeConfig, composeStored } from '../../../plugins/configs/layers/compose.js';
import { listPresets } from '../../../plugins/configs/reading/presets.js';
import { UsageError } from '../../../core/errors.js';
import { checkedCore, compose, folderWith, yaml } from './helpers.js';

const places: Record<string, string> = {
  'espalier.config.ts': 'const seed: number = 7;\nexport default { seed };',
  'espalier.config.mjs': 'export default { seed: 7 };',
  'espalier.config.js': 'module.exports = { seed: 7 };',
  'espalier.config.yaml': 'seed: 7',
  'espalier.config.yml': 'seed: 7',
  'espalier.config.json': '{\n\t"seed": 7\n}',
  '.espalierrc': 'seed: 7',
  '.espalierrc.json': '{ "seed": 7 }',
  '.espalierrc.yaml': 'seed: 7',
  '.espalierrc.yml': 'seed: 7',
  '.espalierrc.js': 'export default { seed: 7 };',
  '.espalierrc.ts': 'export default { seed: 7 } satisfies object;',
  'package.json': '{ "name": "x", "espalier": { "seed": 7 } }',
};

for (const [name, text] of Object.entries(places)) {
  test(`finds ${name}`, async (t) => {
    const composed = await compose(t, { [name]: text });
    t.deepEqual(composed.value, { seed: 7 });
    t.is(composed.origins.get('seed')?.source, name);
    t.deepEqual(composed.layers, [name]);
    t.is(path.basename(composed.files[0] ?? ''), name);
  });
}

test('no config file, or one with only comments, is an empty config', async (t) => {
  t.deepEqual((await compose(t, {})).value, {});
  t.deepEqual((await compose(t, { 'package.json': '{ "name": "x" }' })).value, {});
  t.deepEqual((await compose(t, yaml('# nothing yet'))).value, {});
});

test('config files in parent folders are not used', async (t) => {
  const cwd = await folderWith(t, { 'espalier.config.yaml': 'seed: 7', 'below/x.txt': '' });
  const composed = await composeConfig({ cwd: path.join(cwd, 'below'), presets: [], set: [] });
  t.deepEqual(composed.value, {});
});

test('--config takes a file by name, and says when it is not there', async (t) => {
  const files = { 'espalier.config.yaml': 'seed: 1', 'other.yaml': 'seed: 2' };
  t.is((await compose(t, files, { configFile: 'other.yaml' })).value['seed'], 2);
  const error = await t.throwsAsync(compose(t, files, { configFile: 'missing.yaml' }), { instanceOf: UsageError });
  t.regex(error.message, /--config missing\.yaml: there is no file/);
});

test('an empty file named by --config is an empty config', async (t) => {
  t.deepEqual((await compose(t, { 'empty.yaml': '' }, { configFile: 'empty.yaml' })).value, {});
});

test('the file overrides its presets, --preset the file, --set everything; each value has its origin', async (t) => {
  const composed = await compose(
    t,
    {
      ...yaml('extends: [./a.yaml, sub/b.yaml]', 'train:', '  max_iters: 3', 'seed: 3'),
      'a.yaml': 'seed: 1\ntrain: { max_iters: 1, batch_size: 1, grad_clip: 1 }',
      'sub/b.yaml': 'extends: ./c.yaml\ntrain:\n  batch_size: 2',
      'sub/c.yaml': 'init: from-c',
      'p.yaml': 'seed: 4',
    },
    { presets: ['./p.yaml'], set: ['train.gradient_accumulation_steps=5'] },
  );
  t.deepEqual(composed.value, {
    seed: 4,
    init: 'from-c',
    train: { max_iters: 3, batch_size: 2, grad_clip: 1, gradient_accumulation_steps: 5 },
  });
  t.deepEqual(composed.layers, [
    'a.yaml',
    'sub/c.yaml',
    'sub/b.yaml',
    'espalier.config.yaml',
    'p.yaml',
    '--set train.gradient_accumulation_steps=5',
  ]);
  const shown = (key: string): string => showOrigin(composed.origins.get(key) ?? { source: 'none' });
  t.is(shown('seed'), 'p.yaml:1');
  t.is(shown('init'), 'sub/c.yaml:1');
  t.is(shown('train.max_iters'), 'espalier.config.yaml:3');
  t.is(shown('train.batch_size'), 'sub/b.yaml:3');
  t.is(shown('train.grad_clip'), 'a.yaml:2');
  t.is(shown('train.gradient_accumulation_steps'), '--set');
});

test('lines are known inside package.json and JSON files', async (t) => {
  const composed = await compose(t, {
    'package.json': '{\n "name": "x",\n "espalier": {\n  "train": {\n   "max_iters": 7 } } }',
  });
  t.deepEqual(composed.origins.get('train.max_iters')?.line, 5);
});

test('a preset can come from a package', async (t) => {
  const composed = await compose(t, {
    ...yaml('extends: mine'),
    'node_modules/espalier-preset-mine/package.json': '{ "name": "espalier-preset-mine", "main": "preset.yaml" }',
    'node_modules/espalier-preset-mine/preset.yaml': 'seed: 9',
  });
  t.is(composed.value['seed'], 9);
});

test('a preset path without ./ gets a hint how to write it', async (t) => {
  const wrong = (more: { presets?: string[]; set?: string[] }) => t.throwsAsync(compose(t, { mine: '' }, more));
  t.is(
    (await wrong({ presets: ['mine'] })).message,
    '--preset mine: unknown preset "mine": a preset path starts with ./; write ./mine',
  );
  for (const [typed, written] of [
    ['plugins.my/alarm.ts=true', `'plugins."./my/alarm.ts"=true'`],
    ['plugins../alarm.ts.above=4', `'plugins."./alarm.ts".above=4'`],
    ['./alarm.ts=true', `'plugins."./alarm.ts"=true'`],
    ['plugins.alarm.ts=true', `'plugins."./alarm.ts"=true'`],
  ] as const) {
    const { message } = await wrong({ set: [typed] });
    t.true(message.endsWith(`in double quotes, and start a plugin path with ./: --set ${written}`), message);
  }
});

test('an unknown preset names the nearest and lists all', async (t) => {
  const error = await t.throwsAsync(compose(t, {}, { presets: ['char-smal'] }), { instanceOf: UsageError });
  t.regex(
    error.message,
    /^--preset char-smal: unknown preset "char-smal": did you mean "char-small"\? There are: base, /,
  );
  const inFile = await t.throwsAsync(compose(t, yaml('seed: 1', 'extends: [bas]')), { instanceOf: UsageError });
  t.regex(inFile.message, /^espalier\.config\.yaml:2: extends: unknown preset "bas": did you mean "base"/);
  const byPath = await t.throwsAsync(compose(t, yaml('extends: ./no.yaml')), { instanceOf: UsageError });
  t.regex(byPath.message, /there is no preset file .*no\.yaml/);
});

test('a circle of extends is an error that prints it', async (t) => {
  const files = { ...yaml('extends: ./a.yaml'), 'a.yaml': 'extends: ./b.yaml', 'b.yaml': 'extends: ./a.yaml' };
  const error = await t.throwsAsync(compose(t, files), { instanceOf: UsageError, code: 'ESP_CONFIG_CYCLE' });
  t.regex(error.message, /a\.yaml → b\.yaml → a\.yaml/);
});

test('a preset reached twice in different ways is not a circle', async (t) => {
  const files = {
    ...yaml('extends: [./a.yaml, ./b.yaml]'),
    'a.yaml': 'extends: ./c.yaml',
    'b.yaml': 'extends: ./c.yaml',
    'c.yaml': 'seed: 2',
  };
  t.is((await compose(t, files)).value['seed'], 2);
});

const broken: [string, Record<string, string>, RegExp][] = [
  ['an open bracket', yaml('seed: 1', 'model: [1', 'train: 2'), /^espalier\.config\.yaml:3: not valid YAML: /],
  ['a key twice', yaml('seed: 1', 'seed: 2'), /^espalier\.config\.yaml:2: not valid YAML: Map keys must be unique/],
  ['an unknown alias', yaml('seed: *x'), /^espalier\.config\.yaml:1: not valid YAML: Unresolved alias/],
  ['a list', yaml('- 1'), /espalier\.config\.yaml holds a list; a config is a map/],
  [
    'an extends that is a number',
    yaml('seed: 1', 'extends: 5'),
    /^espalier\.config\.yaml:2: key extends: expected the name/,
  ],
  [
    'code that throws',
    { 'espalier.config.mjs': 'throw new Error("boom");' },
    /^espalier\.config\.mjs:1 failed to load: boom$/,
  ],
  [
    'code with no default',
    { 'espalier.config.mjs': 'export const x = 1;' },
    /espalier\.config\.mjs has no default export/,
  ],
  ['bad JSON in package.json', { 'package.json': '{\n"espalier": {,}\n' }, /^package\.json:2: not valid JSON/],
];
for (const [name, files, message] of broken) {
  test(`${name} is an error with its place`, async (t) => {
    const error = await t.throwsAsync(compose(t, files), { instanceOf: UsageError });
    t.regex(error.message, message);
  });
}

test('--set takes YAML values and quoted keys', async (t) => {
  const set = [
    'optimizer.learning_rate=6e-4',
    'a.list=[1, 2]',
    'a.map={last: 3}',
    'a.text=b=c',
    'a.on=true',
    'plugins."./x.ts".above=1',
  ];
  t.deepEqual((await compose(t, {}, { set })).value, {
    optimizer: { learning_rate: 0.0006 },
    a: { list: [1, 2], map: { last: 3 }, text: 'b=c', on: true },
    plugins: { './x.ts': { above: 1 } },
  });
});

for (const [argument, message] of [
  ['seed', /write it as key=value/],
  ['=1', /is not the path/],
  ['extends=base', /--preset/],
] as const) {
  test(`--set ${argument} is an error`, async (t) => {
    const error = await t.throwsAsync(compose(t, {}, { set: [argument] }), { instanceOf: UsageError });
    t.regex(error.message, message);
  });
}

test('settings override a stored config', (t) => {
  const composed = composeStored({ seed: 1, model: { use: 'gpt', n_layer: 2 } }, '/runs/x/checkpoints/000002', [
    'seed=2',
  ]);
  t.deepEqual(composed.value, { seed: 2, model: { use: 'gpt', n_layer: 2 } });
  t.is(originAt(composed, ['model', 'n_layer'])?.source, '/runs/x/checkpoints/000002/state.json');
  t.is(originAt(composed, ['seed'])?.source, '--set');
});

for (const { name, summary, file } of listPresets()) {
  test(`preset ${name} composes, and its first line says what it is`, async (t) => {
    const composed = await compose(t, {}, { presets: [name] });
    t.notThrows(() => checkedCore(composed));
    t.true(composed.files.includes(file));
    t.is(composed.layers.at(-1), `presets/${name}.yaml`);
    t.regex(summary, /^[A-Z].*\.$/);
  });
}

test('char-small is nanoGPT’s recipe for CPUs', async (t) => {
  const { value, origins } = await compose(t, {}, { presets: ['char-small'] });
  t.like(value, {
    engine: { use: 'auto' },
    model: { n_layer: 4, n_head: 4, n_embd: 128, block_size: 64, dropout: 0, bias: false },
    train: { max_iters: 2000, batch_size: 12, gradient_accumulation_steps: 1, grad_clip: 1 },
    optimizer: { learning_rate: 1e-3, beta1: 0.9, beta2: 0.99, weight_decay: 0.1 },
    lr: { warmup_iters: 100, min_lr: 1e-4 },
    plugins: { evaluation: { interval: 250, iters: 20 } },
  });
  t.is(origins.get('plugins.evaluation.interval')?.source, 'presets/base.yaml');
});
