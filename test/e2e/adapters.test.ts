import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import test, { type ExecutionContext } from 'ava';
import { readSafetensors } from '../../plugins/checkpoint/safetensors/read.js';
import { needing, peersPython, python } from '../needs.js';
import { logitsOf } from '../plugins/models/logits.js';
import { textFolder } from '../text.js';
import { trainFrom } from './from-weights.js';
import { espalier } from './warm.js';

/** Made by peft with random A and B (`make.py` there); `logits.json` is what it computes for the tokens 0 to 15. */
const fixtures = path.resolve('test/fixtures/adapters');
const names = ['gpt2-attention', 'gpt2-embedding', 'llama-default', 'llama-all'];

const exported = (folder: string, ...more: string[]) =>
  espalier(folder, 'checkpoint', 'export', 'runs/run', '--to', 'peft', '--out', 'adapter', ...more);

function isClose(t: ExecutionContext, actual: readonly number[], expected: readonly number[], name = ''): void {
  t.is(actual.length, expected.length);
  const worst = Math.max(...actual.map((value, index) => Math.abs(value - (expected[index] ?? NaN))));
  t.true(worst < 1e-4, `${name} ${String(worst)}`);
}

const numbersIn = (file: string): number[] => JSON.parse(readFileSync(file, 'utf8')) as number[];

/** A run from each adapter of peft's has its logits, and so has what it exports again. */
async function loads(t: ExecutionContext, folder: string, adapter: string): Promise<void> {
  const expected = numbersIn(path.join(adapter, 'logits.json'));
  for (const init of [adapter, 'adapter']) {
    const { code, err } = await trainFrom(folder, init);
    t.is(code, 0, err);
    isClose(t, await logitsOf(t, folder, 'runs/run'), expected);
    if (init === adapter) t.is((await exported(folder)).code, 0);
  }
}

for (const name of names) {
  test(`${name}: an adapter of peft’s has the logits that peft computes, and loads again when it is exported`, async (t) => {
    await loads(t, textFolder(t), path.join(fixtures, name));
  });
}

test('LoRA ranks come from the adapter, whatever a preset says', async (t) => {
  const folder = textFolder(t);
  cpSync(path.join(fixtures, 'gpt2-attention'), path.join(folder, 'mine'), { recursive: true });
  cpSync('test/fixtures/gpt2-tiny', path.join(folder, 'tiny'), { recursive: true });
  const file = path.join(folder, 'mine/adapter_config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...config, base_model_name_or_path: 'tiny' }));
  const { code, out, err } = await espalier(
    folder,
    ...['explain', '--preset', 'lora', '--set', 'init=mine', '--set', 'data.text=text.txt', 'model'],
  );
  t.is(code, 0, err);
  const shown = out.replaceAll('\\', '/').replace(/ +/g, ' ');
  for (const line of [
    'model.n_layer 2 # tiny/config.json',
    'model.attn_lora_rank 3 # mine/adapter_config.json',
    'model.embedding_lora_rank 0 # mine/adapter_config.json',
    'model.lora_alpha 7.5 # mine/adapter_config.json',
  ]) {
    t.true(shown.includes(line), `${line}\n${shown}`);
  }
  const other = await espalier(folder, 'explain', '--set', 'init=mine', '--set', 'model.attn_lora_rank=4');
  t.is(other.code, 2);
  t.regex(other.err, /--set: model\.attn_lora_rank is 4, .* need 3 \(mine.adapter_config\.json\).*ESP_PRETRAINED/s);

  writeFileSync(file, JSON.stringify({ ...config, base_model_name_or_path: null }));
  t.regex((await espalier(folder, 'explain', '--set', 'init=mine')).err, /does not name its base model; set base_/);
  writeFileSync(file, JSON.stringify({ ...config, base_model_name_or_path: 'nowhere/else' }));
  t.regex((await espalier(folder, 'explain', '--set', 'init=mine')).err, /base model nowhere\/else .*ESP_PRETRAINED/s);
});

test('an adapter can be trained further, and its export contains only LoRA', async (t) => {
  const folder = textFolder(t);
  const adapter = path.join(fixtures, 'gpt2-attention');
  const learning = ['model.trained=lora', 'optimizer.learning_rate=0.01', 'train.max_iters=8'];
  const { code, err } = await trainFrom(folder, adapter, ...learning);
  t.is(code, 0, err);
  for (const command of [
    ['evaluate', 'runs/run'],
    ['sample', 'runs/run', '--tokens', '4'],
  ]) {
    const done = await espalier(folder, ...command);
    t.is(done.code, 0, done.err);
  }
  const done = await exported(folder);
  t.is(done.code, 0, done.err);
  const [before, after] = await Promise.all(
    [adapter, path.join(folder, 'adapter')].map((each) =>
      readSafetensors(path.join(each, 'adapter_model.safetensors')),
    ),
  );
  t.deepEqual([...after!.keys()].sort(), [...before!.keys()].sort());
  const base = path.resolve('test/fixtures/gpt2-tiny');
  const config = JSON.parse(readFileSync(path.join(folder, 'adapter/adapter_config.json'), 'utf8')) as object;
  t.like(config, { peft_type: 'LORA', r: 3, lora_alpha: 7.5, base_model_name_or_path: base });
  const trained = await logitsOf(t, folder, 'runs/run');
  t.is((await trainFrom(folder, 'adapter')).code, 0);
  isClose(t, await logitsOf(t, folder, 'runs/run'), trained);
});

test('a Llama is fine-tuned with LoRA, and its adapter is trained further from where the run ended', async (t) => {
  const folder = textFolder(t);
  const base = path.join(fixtures, 'llama');
  const ranks = ['attn_lora_rank', 'output_lora_rank', 'mlp_lora_rank', 'embedding_lora_rank'];
  const learning = [
    ...ranks.map((rank, index) => `model.${rank}=${String(index + 1)}`),
    ...['model.lora_alpha=3', 'model.trained=lora'],
    ...['optimizer.learning_rate=0.02', 'lr.warmup_iters=0', 'train.max_iters=30', 'plugins.evaluation.interval=30'],
  ];
  const { code, err } = await trainFrom(folder, base, ...learning);
  t.is(code, 0, err);
  const losses = readFileSync(path.join(folder, 'runs/run/metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as Record<string, number>)['train/loss'])
    .filter((loss) => loss !== undefined);
  t.true(losses.at(-1)! < 0.9 * losses[0]!, `${String(losses[0])} to ${String(losses.at(-1))}`);
  const done = await exported(folder);
  t.is(done.code, 0, done.err);
  const trained = await logitsOf(t, folder, 'runs/run');
  t.is((await trainFrom(folder, 'adapter')).code, 0);
  isClose(t, await logitsOf(t, folder, 'runs/run'), trained);
  const { model } = parse(readFileSync(path.join(folder, 'runs/run/config.yaml'), 'utf8')) as { model: object };
  t.like(model, { use: 'llama', attn_lora_rank: 1, output_lora_rank: 2, mlp_lora_rank: 3, embedding_lora_rank: 4 });
});

test('weights that an adapter cannot contain are not exported as one', async (t) => {
  const folder = textFolder(t);
  const tiny = path.resolve('test/fixtures/gpt2-tiny');
  t.is((await trainFrom(folder, tiny)).code, 0);
  t.regex((await exported(folder)).err, /has no LoRA.*attn_lora_rank.*ESP_CHECKPOINT_EXPORT/s);

  const learning = ['optimizer.learning_rate=0.01', 'lr.warmup_iters=0', 'model.attn_lora_rank=2'];
  t.is((await trainFrom(folder, tiny, ...learning)).code, 0);
  t.regex((await exported(folder)).err, /transformer\.\S+ and \d+ more differ.*trained: lora.*--to hf/s);

  t.is((await trainFrom(folder, 'scratch', 'model.attn_lora_rank=2')).code, 0);
  t.regex((await exported(folder)).err, /base model for the LoRA of .* is unknown.*--base/s);
});

/** Writes `logits.json` into each folder of an adapter named by an argument. */
const REFERENCE = `
import json, sys, torch
from peft import AutoPeftModelForCausalLM, get_peft_model_state_dict
from safetensors.torch import load_file
for folder in sys.argv[1:]:
    model = AutoPeftModelForCausalLM.from_pretrained(folder).eval()
    stored = load_file(folder + "/adapter_model.safetensors")
    own = get_peft_model_state_dict(model, save_embedding_layers=False)
    assert own.keys() == stored.keys() and all(torch.equal(own[key], stored[key]) for key in own), (own.keys(), stored.keys())
    with torch.no_grad():
        logits = model(torch.arange(16)[None]).logits
    json.dump(logits.flatten().tolist(), open(folder + "/logits.json", "w"))
`;

needing(python('torch', 'transformers', 'peft'))(
  'peft loads what is exported of trained runs, with the same logits',
  async (t) => {
    const made = path.join(textFolder(t), 'made');
    execFileSync(peersPython, [path.join(fixtures, 'make.py'), made], { stdio: 'pipe' });
    const folders = new Map(names.map((name) => [name, textFolder(t)]));
    const learning = ['model.trained=lora', 'optimizer.learning_rate=0.01', 'train.max_iters=8'];
    for (const [name, folder] of folders) {
      const adapter = path.join(made, name);
      await loads(t, folder, adapter);
      t.is((await trainFrom(folder, adapter, ...learning)).code, 0, name);
      t.is((await exported(folder, '--force')).code, 0, name);
    }
    const adapters = [...folders.values()].map((folder) => path.join(folder, 'adapter'));
    execFileSync(peersPython, ['-c', REFERENCE, ...adapters], { stdio: 'pipe' });
    for (const [name, folder] of folders) {
      isClose(t, await logitsOf(t, folder, 'runs/run'), numbersIn(path.join(folder, 'adapter', 'logits.json')), name);
    }
  },
);
