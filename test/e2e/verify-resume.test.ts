import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { textFolder } from '../text.js';
import { emptyFolder, espalier as espalierAlone, ownTemporaryFolder } from './command.js';
import { espalier } from './warm.js';

const temporary = ownTemporaryFolder();

const small = [
  'data={text: text.txt}',
  'model={n_layer: 2, n_head: 2, n_embd: 16, block_size: 16, vocab_size: null, dropout: 0.1}',
  'train={batch_size: 3, gradient_accumulation_steps: 2}',
  'plugins.evaluation={interval: 4, iters: 2}',
];
const set = (...settings: string[]): string[] => settings.flatMap((setting) => ['--set', setting]);

const compared = [
  'batches served',
  'training log',
  'weights',
  'optimizer',
  'random streams',
  'state of plugin token-shards',
];

test('preset debug: a resumed run gives the same bits', async (t) => {
  const args = ['verify-resume', '-p', 'debug', '-n', '5', ...set(...small)];
  const { code, out, err } = await espalierAlone(textFolder(t), ...args);
  t.is(code, 0, out + err);
  for (const part of compared) t.true(out.includes(`the same: ${part}`), `${part}\n${out}`);
  t.regex(out, /the same run, bit for bit/);
  t.notRegex(out, /Not compared/);
  t.regex(out, /same engine, number of threads, precision/);
});

test('preset llama-small with LoRA: a resumed run gives the same bits', async (t) => {
  const lora = set('model={attn_lora_rank: 2, output_lora_rank: 2, mlp_lora_rank: 2}');
  const { code, out, err } = await espalier(
    textFolder(t),
    ...['verify-resume', '-p', 'llama-small', '-n', '5', ...set(...small), ...lora],
  );
  t.is(code, 0, out + err);
  for (const part of compared) t.true(out.includes(`the same: ${part}`), `${part}\n${out}`);
  t.regex(out, /the same run, bit for bit/);
});

test('preset gpt2: a resumed run gives the same bits, and --json reports no difference', async (t) => {
  const args = ['verify-resume', '-p', 'gpt2', '-n', '5', ...set(...small), '--json'];
  const { code, out, err } = await espalier(textFolder(t), ...args);
  t.is(code, 0, out + err);
  const { same, difference, notes } = JSON.parse(out) as { same: string[]; difference: unknown; notes: unknown };
  for (const part of compared) t.true(same.includes(part), `${part}\n${out}`);
  t.is(difference, null);
  t.deepEqual(notes, []);
});

test('preset llama-small with fewer key-value heads, query and key norms and LoRA: a resumed run gives the same bits', async (t) => {
  const llama = [
    'n_layer: 2, n_head: 4, n_kv_head: 2, n_embd: 16, n_hidden: 24, block_size: 16, dropout: 0.1',
    'qk_norm: true, qkv_bias: true, tied: false, attn_lora_rank: 2, mlp_lora_rank: 2',
  ];
  const args = [
    'verify-resume',
    '-p',
    'llama-small',
    '-n',
    '5',
    ...set(...small),
    '--set',
    `model={${llama.join(', ')}}`,
  ];
  const { code, out, err } = await espalier(textFolder(t), ...args);
  t.is(code, 0, out + err);
  for (const part of compared) t.true(out.includes(`the same: ${part}`), `${part}\n${out}`);
});

test('a plugin that loses its state is detected, with the first difference', async (t) => {
  const folder = textFolder(t);
  writeFileSync(
    path.join(folder, 'forgetful.ts'),
    `import { On, Plugin, tf, type GradientsReady } from 'espalier';
@Plugin({ name: 'forgetful', summary: 'scales gradients by how often it was called' })
export default class Forgetful {
  private calls = 0;
  @On('gradients:ready')
  scale({ gradients }: GradientsReady): void {
    this.calls++;
    for (const [name, gradient] of gradients) {
      gradients.set(name, tf.keep(tf.mul(gradient, 1 / this.calls)));
      gradient.dispose();
    }
  }
}
`,
  );
  const settings = set(...small, 'plugins={"./forgetful.ts": {}, evaluation: {interval: 0}}');
  const { code, out } = await espalier(folder, 'verify-resume', '-p', 'debug', '-n', '3', ...settings);
  t.is(code, 1, out);
  t.regex(
    out,
    /the same: batches served\nDIFFERENT: training log: iteration 4: \w+ is [\d.]+ in the uninterrupted run, [\d.]+ in the resumed one/,
  );
  t.regex(out, /Not compared: an evaluation after the stop, .*--set plugins\.evaluation\.interval=1 causes one/);
});

test.serial('an error of the run itself is reported, and nothing is left behind', async (t) => {
  const { code, err } = await espalier(emptyFolder(t), 'verify-resume', '-p', 'debug', ...set('data.text=none.txt'));
  t.is(code, 2);
  t.regex(err, /ended with exit code 2: .*none\.txt/);
  t.deepEqual(
    readdirSync(temporary).filter((name) => name.startsWith('espalier-verify-')),
    [],
  );
});
