import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { sharedFolder } from './command.js';
import { needing, peersPython, python } from '../needs.js';
import { logitsOf } from '../plugins/models/logits.js';
import { text } from '../text.js';
import { espalier } from './warm.js';

/**
 * Random small models of transformers: [class, config, how it is saved]. Every weight is random, biases and norms too.
 * `legacy` writes `rope_theta` and `rope_scaling` in place of `rope_parameters`, as transformers 4 did.
 */
const MODELS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  gpt2: { type: 'gpt2', n_positions: 24, n_embd: 16, n_layer: 2, n_head: 2 },
  'llama-grouped': { type: 'llama', num_key_value_heads: 2 },
  'llama-biases': { type: 'llama', attention_bias: true, mlp_bias: true, hidden_act: 'gelu_pytorch_tanh' },
  'llama-3': { type: 'llama', rope: 'llama3', num_key_value_heads: 1 },
  'llama-3-legacy': { type: 'llama', rope: 'llama3', legacy: true },
  'llama-sharded-bf16': { type: 'llama', num_key_value_heads: 2, shard: '8KB', dtype: 'bfloat16' },
  'llama-f16': { type: 'llama', dtype: 'float16' },
  'smollm-tied': { type: 'llama', tie_word_embeddings: true, num_key_value_heads: 2 },
  mistral: { type: 'mistral', sliding_window: null, num_key_value_heads: 2 },
  'mistral-odd': { type: 'mistral', sliding_window: null, num_attention_heads: 3, num_key_value_heads: 1, head_dim: 8 },
  qwen2: { type: 'qwen2', num_key_value_heads: 2, tie_word_embeddings: true },
  qwen3: { type: 'qwen3', num_key_value_heads: 2, head_dim: 8 },
  'qwen3-biases': { type: 'qwen3', num_key_value_heads: 4, head_dim: 6, attention_bias: true },
};

const MAKE = `
import json, os, sys, torch
from transformers import AutoConfig, AutoModelForCausalLM
common = dict(vocab_size=48, hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=4,
              max_position_embeddings=24, tie_word_embeddings=False)
llama3 = dict(rope_type="llama3", rope_theta=50000.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=12)
for seed, (name, given) in enumerate(json.loads(sys.argv[1]).items()):
    kind, rope, legacy, shard, dtype = (given.pop(key, None) for key in ("type", "rope", "legacy", "shard", "dtype"))
    config = AutoConfig.for_model(kind, **{**({"vocab_size": 48} if kind == "gpt2" else common), **given})
    if rope == "llama3": config.rope_parameters = dict(llama3)
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for key, weight in model.named_parameters():
            weight.normal_(1.0 if "norm" in key and key.endswith("weight") else 0.0, 0.3)
    model.tie_weights()
    model.to(getattr(torch, dtype or "float32")).save_pretrained(name, **({"max_shard_size": shard} if shard else {}))
    model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32).eval()
    with torch.no_grad():
        logits = model(torch.arange(16)[None]).logits
    json.dump(logits.flatten().tolist(), open(os.path.join(name, "logits.json"), "w"))
    if legacy:
        path = os.path.join(name, "config.json")
        config = json.load(open(path))
        config["rope_theta"] = config["rope_parameters"].pop("rope_theta")
        config["rope_scaling"] = config.pop("rope_parameters")
        json.dump(config, open(path, "w"))
`;

/** Any weight that transformers has to make up, or does not know, is an error. */
const CHECK = `
import json, os, sys, torch
from transformers import AutoModelForCausalLM
for name in json.loads(sys.argv[1]):
    model, info = AutoModelForCausalLM.from_pretrained(name + "-back", output_loading_info=True)
    assert not info["unexpected_keys"] and not info["missing_keys"] and not info["mismatched_keys"], (name, info)
    with torch.no_grad():
        logits = model.eval()(torch.arange(16)[None]).logits
    json.dump(logits.flatten().tolist(), open(os.path.join(name + "-back", "logits.json"), "w"))
`;

const folder = sharedFolder();

needing(python('torch', 'transformers')).serial(
  'models of transformers give its logits here, and there again when they are exported',
  async (t) => {
    writeFileSync(path.join(folder, 'text.txt'), text);
    execFileSync(peersPython, ['-c', MAKE, JSON.stringify(MODELS)], { cwd: folder, stdio: 'pipe' });
    t.true(readdirSync(path.join(folder, 'llama-sharded-bf16')).some((name) => /^model-0+2-of/.test(name)));
    const settings = ['engine=auto', 'precision=f32', 'data.text=text.txt', 'model.block_size=16', 'lr.min_lr=0'];
    settings.push('train.max_iters=1', 'lr.warmup_iters=0', 'optimizer.learning_rate=0', 'optimizer.weight_decay=0');
    for (const name of Object.keys(MODELS)) {
      const own = [...settings, `init=${name}`, `run.dir=runs/${name}`].flatMap((each) => ['--set', each]);
      const trained = await espalier(folder, 'train', '--preset', 'debug', ...own);
      t.is(trained.code, 0, `${name}: ${trained.err}`);
      const exported = await espalier(folder, 'checkpoint', 'export', `runs/${name}`, '--out', `${name}-back`);
      t.is(exported.code, 0, `${name}: ${exported.err}`);
      alike(t, name, await logitsOf(t, folder, `runs/${name}`));
    }
    execFileSync(peersPython, ['-c', CHECK, JSON.stringify(Object.keys(MODELS))], { cwd: folder, stdio: 'pipe' });
    for (const name of Object.keys(MODELS)) alike(t, name, logitsIn(`${name}-back`));
  },
);

function logitsIn(name: string): number[] {
  return JSON.parse(readFileSync(path.join(folder, name, 'logits.json'), 'utf8')) as number[];
}

/** Within 1e-4 of what transformers computes; they are of the order of 1. */
function alike(t: ExecutionContext, name: string, logits: readonly number[]): void {
  const expected = logitsIn(name);
  t.is(logits.length, expected.length, name);
  const apart = Math.max(...expected.map((value, i) => Math.abs(value - (logits[i] ?? NaN))));
  t.true(apart < 1e-4, `${name}: ${String(apart)}`);
}
