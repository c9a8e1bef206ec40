import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import fc from '../../property.js';
import { parse } from 'yaml';
import { migrated, moves, settings, type Move } from '../../../plugins/nanogpt/migration/nanogpt.js';
import { otherNames } from '../../../plugins/configs/contract.js';
import { readPythonConfig } from '../../../plugins/nanogpt/migration/python-config.js';
import { textFolder } from '../../text.js';
import { espalier as espalierAlone } from '../../e2e/command.js';
import { espalier } from '../../e2e/warm.js';

const called = await otherNames();

const nano = `# train a miniature character-level shakespeare model
out_dir = 'out-shakespeare-char'
eval_interval = 5 # keep frequent because we'll overfit
eval_iters = 2
wandb_log = False # override via command line if you like
wandb_project = 'shakespeare-char'
dataset = 'shakespeare_char'
gradient_accumulation_steps = 5 * 8 // 40
batch_size = 4
block_size = 16
n_layer = 2
n_head = 2
n_embd = 16
dropout = 0.2
learning_rate = 1e-3
max_iters = 10
lr_decay_iters = max_iters
min_lr = learning_rate / 10
beta2 = 0.99
warmup_iters = 2
compile = False
my_own = 3
`;

test('a nanoGPT config is converted and trains; options without an equivalent are listed', async (t) => {
  const folder = textFolder(t);
  writeFileSync(path.join(folder, 'config.py'), nano);
  const { code, err } = await espalierAlone(folder, 'migrate', 'config.py', '-o', 'mine.yaml');
  t.is(code, 0, err);
  t.regex(err, /config\.py: line 21: compile has no equivalent/);
  t.regex(err, /line 22: my_own is unknown and was dropped/);
  const config = parse(readFileSync(path.join(folder, 'mine.yaml'), 'utf8')) as Record<string, Record<string, unknown>>;
  t.deepEqual(config['train'], { gradient_accumulation_steps: 1, batch_size: 4, max_iters: 10 });
  t.deepEqual(config['lr'], { decay_iters: 10, min_lr: 1e-4, warmup_iters: 2 });
  t.deepEqual(config['data'], { dir: 'data/shakespeare_char' });
  t.deepEqual(config['plugins']?.['wandb'], { mode: 'disabled', project: 'shakespeare-char' });
  const trained = await espalier(
    folder,
    'train',
    '-p',
    './mine.yaml',
    '-s',
    'engine=auto',
    '-s',
    'precision=f32',
    '-s',
    'data={text: text.txt}',
  );
  t.is(trained.code, 0, trained.err);
  t.true(existsSync(path.join(folder, 'out-shakespeare-char/checkpoints/000010')));
  const again = await espalier(folder, 'migrate', 'config.py', '-o', 'mine.yaml');
  t.is(again.code, 2);
  t.regex(again.err, /mine\.yaml already exists/);
});

test('W&B is on if wandb_log says so, and off by default', (t) => {
  const wandb = (text: string): unknown => {
    const { plugins } = migrated(readPythonConfig(text, 'f'), called).config as { plugins?: Record<string, unknown> };
    return plugins?.['wandb'];
  };
  t.deepEqual(wandb("wandb_log = True\nwandb_project = 'owt'"), { mode: 'auto', project: 'owt' });
  t.deepEqual(wandb("wandb_project = 'owt'\nwandb_run_name = 'gpt2'"), {
    mode: 'disabled',
    project: 'owt',
    name: 'gpt2',
  });
  t.is(wandb('seed = 1'), undefined);
});

test('decay_lr = False gives a constant learning rate without warm-up, as in nanoGPT', (t) => {
  const of = (text: string): ReturnType<typeof migrated> => migrated(readPythonConfig(text, 'f'), called);
  const { config, notes } = of('warmup_iters = 20\ndecay_lr = False\nmin_lr = 1e-4\nlearning_rate = 1e-3');
  t.deepEqual(config['lr'], { use: 'constant', warmup_iters: 0 });
  t.deepEqual(notes, [
    'line 1: warmup_iters has no effect with decay_lr = False',
    'line 3: min_lr has no effect with decay_lr = False',
  ]);
  t.deepEqual(of('decay_lr = True\nwarmup_iters = 20').config['lr'], { use: 'warmup-cosine', warmup_iters: 20 });
});

test('a config is read, never executed: anything but a value is refused with its line', async (t) => {
  const folder = textFolder(t);
  for (const [line, message] of [
    ['x = open("owned", "w")', /config\.py:2: cannot read "open\("owned", "w"\)": only numbers/],
    ['print(1)', /config\.py:2: cannot read "print\(1\)": it is not `key = value`/],
    ['x = batch_size +', /it ends too early/],
    ['x = unknown * 2', /unknown is not defined before this line/],
    ["x = 'a' * 2", /a is not a number/],
  ] as const) {
    writeFileSync(path.join(folder, 'config.py'), `batch_size = 2\n${line}\n`);
    const { code, err } = await espalier(folder, 'migrate', 'config.py');
    t.is(code, 2, err);
    t.regex(err, message);
  }
  t.false(existsSync(path.join(folder, 'owned')));
});

test('arithmetic is Python’s', (t) => {
  const value = (text: string): unknown => readPythonConfig(`x = ${text}`, 'f')[0]?.value;
  t.is(value('2 ** 3 ** 2'), 512);
  t.is(value('-2 ** 2'), -4);
  t.is(value('7 // 2 * 2 + 1_000'), 1006);
  t.is(value('(1 + 2) / 4'), 0.75);
  t.is(value('"a # b"  # c'), 'a # b');
  t.is(value('None'), null);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 999 }), fc.integer({ min: 1, max: 999 }), (a, b) => {
      t.is(value(`${a} + ${b} * ${a} - ${a} // ${b}`), a + b * a - Math.floor(a / b));
    }),
  );
});

test('the guide lists every old option with its new key', (t) => {
  const page = readFileSync('docs/guides/migrating-from-nanogpt.md', 'utf8');
  const same = settings.map((old): [string, Move] => [old, { to: called(old) ?? 'nowhere' }]);
  for (const [old, move] of [...Object.entries(moves), ...same]) {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${old}\` `));
    t.truthy(row, old);
    if ('to' in move) t.true(row?.includes(`\`${move.to}\``), old);
  }
});
