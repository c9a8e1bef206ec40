import test, { type ExecutionContext } from 'ava';
import fc from '../../property.js';
import type { StoredTensor } from '../../../core/index.js';
import { huggingFaceLlama as format } from '../../../plugins/models/llama/format/format.js';
import type { Described, WrittenModel } from '../../../plugins/models/weights/formats.js';
import { writeSafetensors } from '../../../plugins/checkpoint/safetensors/write.js';
import { emptyFolder } from '../../e2e/command.js';
import { readWeights } from '../../../plugins/models/weights/read.js';
import path from 'node:path';

interface Shape {
  layers: number;
  keyValueHeads: number;
  group: number;
  headDim: number;
  width: number;
  hidden: number;
  vocab: number;
  tied: boolean;
  norm: boolean;
  qkvBias: boolean;
  outputBias: boolean;
  mlpBias: boolean;
  scaling: boolean;
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  layers: fc.integer({ min: 1, max: 3 }),
  keyValueHeads: fc.integer({ min: 1, max: 3 }),
  group: fc.integer({ min: 1, max: 3 }),
  headDim: fc.constantFrom(2, 4, 6),
  width: fc.integer({ min: 2, max: 12 }),
  hidden: fc.integer({ min: 1, max: 9 }),
  vocab: fc.integer({ min: 1, max: 9 }),
  tied: fc.boolean(),
  norm: fc.boolean(),
  qkvBias: fc.boolean(),
  outputBias: fc.boolean(),
  mlpBias: fc.boolean(),
  scaling: fc.boolean(),
});

/** Weights of the plugin, with all numbers different. */
function weightsOf(of: Shape): Map<string, StoredTensor> {
  const weights = new Map<string, StoredTensor>();
  let next = 0;
  const add = (name: string, ...shape: number[]): void => {
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1)).map(() => ++next);
    weights.set(name, { shape, values });
  };
  const linear = (name: string, from: number, to: number, bias: boolean): void => {
    add(`${name}.weight`, from, to);
    if (bias) add(`${name}.bias`, to);
  };
  const heads = of.keyValueHeads * of.group;
  add('model.embed_tokens.weight', of.vocab, of.width);
  for (let layer = 0; layer < of.layers; layer++) {
    const at = `model.layers.${String(layer)}`;
    add(`${at}.input_layernorm.weight`, of.width);
    linear(`${at}.self_attn.qkv_proj`, of.width, (heads + 2 * of.keyValueHeads) * of.headDim, of.qkvBias);
    for (const name of of.norm ? ['q_norm', 'k_norm'] : []) add(`${at}.self_attn.${name}.weight`, of.headDim);
    linear(`${at}.self_attn.o_proj`, heads * of.headDim, of.width, of.outputBias);
    add(`${at}.post_attention_layernorm.weight`, of.width);
    linear(`${at}.mlp.gate_proj`, of.width, of.hidden, of.mlpBias);
    linear(`${at}.mlp.up_proj`, of.width, of.hidden, of.mlpBias);
    linear(`${at}.mlp.down_proj`, of.hidden, of.width, of.mlpBias);
  }
  add('model.norm.weight', of.width);
  if (!of.tied) add('lm_head.weight', of.vocab, of.width);
  return weights;
}

function optionsOf(of: Shape): Described {
  return {
    n_layer: of.layers,
    n_head: of.keyValueHeads * of.group,
    n_kv_head: of.keyValueHeads,
    head_dim: of.headDim,
    n_embd: of.width,
    n_hidden: of.hidden,
    vocab_size: of.vocab,
    norm_epsilon: 1e-5,
    rotary_base: 500_000,
    rotary_scaling: of.scaling ? { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_block_size: 16 } : null,
    tied: of.tied,
    qk_norm: of.norm,
    qkv_bias: of.qkvBias,
    output_bias: of.outputBias,
    mlp_bias: of.mlpBias,
    activation: 'silu',
  };
}

function written(of: Shape): WrittenModel {
  const model = { description: {}, options: { ...optionsOf(of), block_size: 32 }, weights: weightsOf(of) };
  if (format.write === undefined) throw new Error('the format writes');
  return format.write(model);
}

/** Returns whether transformers has a model with these biases, norms and heads. */
const isThere = ({ norm, mlpBias, qkvBias, outputBias, width, keyValueHeads, group }: Shape): boolean => {
  if (norm) return !mlpBias;
  const isQwen2 = qkvBias && !outputBias && !mlpBias;
  return isQwen2 || width % (keyValueHeads * group) === 0 || !(qkvBias || outputBias || mlpBias);
};

test('weights and options survive writing and reading, and added biases are zeros', (t) => {
  let added = 0;
  fc.assert(
    fc.property(shapes, (of) => {
      if (!isThere(of)) {
        t.throws(() => written(of), { message: /transformers has no model with/ });
        return;
      }
      const { config, weights, notes } = written(of);
      const model = format.read(JSON.parse(JSON.stringify(config)) as Described);
      const back = model.weights(new Map(weights), { blockSize: 32 });
      for (const [name, tensor] of weightsOf(of)) t.deepEqual(back.get(name), tensor, name);
      const more = [...back].filter(([name]) => !weightsOf(of).has(name));
      t.true(more.every(([name, { values }]) => name.endsWith('_proj.bias') && values.every((value) => value === 0)));
      t.is(notes.length, more.length > 0 ? 1 : 0);
      added += more.length;
      const biases = more.length > 0 ? { qkv_bias: true, output_bias: true } : {};
      t.deepEqual(model.options, { ...optionsOf(of), ...biases });
      t.like(model, { tied: of.tied, block: { most: 32, default: 32 } });
    }),
    { numRuns: 300 },
  );
  t.true(added > 0);
});

/** A config.json like SmolLM's. */
const config = {
  model_type: 'llama',
  vocab_size: 9,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  max_position_embeddings: 64,
};
const rope = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 16 };
const scaling = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_block_size: 16 };

test('rotary positions are read from rope_theta with rope_scaling, and from rope_parameters', (t) => {
  const cases: [Described, Described][] = [
    [{}, { rotary_base: 10_000, rotary_scaling: null }],
    [
      { rope_theta: 1e6, rope_scaling: null },
      { rotary_base: 1e6, rotary_scaling: null },
    ],
    [
      { rope_theta: 5e5, rope_scaling: { rope_type: 'llama3', ...rope } },
      { rotary_base: 5e5, rotary_scaling: scaling },
    ],
    [
      { rope_theta: 5e5, rope_scaling: { type: 'llama3', ...rope } },
      { rotary_base: 5e5, rotary_scaling: scaling },
    ],
    [
      { rope_parameters: { rope_type: 'llama3', rope_theta: 7, ...rope }, rope_theta: 9 },
      { rotary_base: 7, rotary_scaling: scaling },
    ],
    [{ rope_parameters: { rope_type: 'default', rope_theta: 7 } }, { rotary_base: 7, rotary_scaling: null }],
    [
      { rope_parameters: { ...rope, rope_type: 'llama3', original_max_position_embeddings: undefined } },
      { rotary_base: 10_000, rotary_scaling: { ...scaling, original_block_size: 64 } },
    ],
    [
      { rope_parameters: { ...rope, rope_type: 'llama3' }, original_max_position_embeddings: 32 },
      { rotary_base: 10_000, rotary_scaling: { ...scaling, original_block_size: 32 } },
    ],
  ];
  for (const [given, expected] of cases) t.like(format.read({ ...config, ...given }).options, expected);
  for (const [given, message] of [
    [
      { rope_scaling: { rope_type: 'yarn', factor: 2 } },
      /rope_scaling: .*type "yarn" \(other than default and llama3\)/,
    ],
    [{ rope_scaling: { type: 'linear', factor: 2 } }, /rope_scaling: .*type "linear"/],
    [{ rope_parameters: { rope_type: 'dynamic' } }, /rope_parameters: .*type "dynamic"/],
    [{ rope_parameters: { full_attention: { rope_theta: 1 } } }, /rope_parameters: .*differ by layer/],
    [{ partial_rotary_factor: 0.5 }, /partial_rotary_factor/],
    [{ rope_scaling: { rope_type: 'llama3', factor: 8 } }, /low_freq_factor/],
    [{ hidden_act: 'tanh' }, /hidden_act/],
    [{ hidden_size: undefined }, /hidden_size/],
  ] as const) {
    t.throws(() => format.read({ ...config, ...given }), { message });
  }
});

test('defaults and ignored keys are those of transformers', (t) => {
  const read = (given: Described): Described => format.read({ ...config, num_attention_heads: 4, ...given }).options;
  t.like(read({}), { n_kv_head: 4, head_dim: 2, norm_epsilon: 1e-6, tied: false, qk_norm: false, qkv_bias: false });
  t.like(read({ attention_bias: true, mlp_bias: true }), { qkv_bias: true, output_bias: true, mlp_bias: true });
  t.like(read({ model_type: 'mistral', attention_bias: true }), { n_kv_head: 8, qkv_bias: false, output_bias: false });
  t.like(read({ model_type: 'qwen2', num_key_value_heads: 2, mlp_bias: true }), {
    ...{ n_kv_head: 2, qkv_bias: true, output_bias: false, mlp_bias: false, qk_norm: false },
  });
  t.like(read({ model_type: 'qwen3', attention_bias: true }), {
    ...{ n_kv_head: 32, head_dim: 128, qkv_bias: true, output_bias: true, qk_norm: true },
  });
});

test('the context is at most the sliding window of any layer', (t) => {
  const block = (given: Described) => format.read({ ...config, ...given }).block;
  const positions = { most: 64, default: 64, what: '64 positions' };
  const windowed = { most: 16, default: 16, what: 'a sliding window of 16 tokens in its attention' };
  const qwen = { model_type: 'qwen2', sliding_window: 16 };
  for (const [given, expected] of [
    [{ sliding_window: 16 }, positions],
    [{ model_type: 'mistral', sliding_window: 16 }, windowed],
    [{ model_type: 'mistral', sliding_window: null }, positions],
    [{ model_type: 'mistral', sliding_window: 99 }, positions],
    [qwen, positions],
    [{ ...qwen, use_sliding_window: true }, positions],
    [{ ...qwen, use_sliding_window: true, max_window_layers: 1 }, windowed],
    [{ ...qwen, use_sliding_window: true, layer_types: ['full_attention', 'sliding_attention'] }, windowed],
    [{ ...qwen, use_sliding_window: true, max_window_layers: 0, layer_types: ['full_attention'] }, positions],
    [{ max_position_embeddings: 131_072 }, { most: 131_072, default: 2048, what: '131072 positions' }],
  ] as const) {
    t.deepEqual(block(given), expected, JSON.stringify(given));
  }
  t.throws(() => block({ ...qwen, layer_types: ['chunked_attention'] }), { message: /full and sliding attention/ });
});

test('queries, keys and values that do not fit together are refused by name', async (t) => {
  const of = { layers: 1, keyValueHeads: 1, group: 2, headDim: 4, width: 8, hidden: 3, vocab: 5, tied: true };
  const shape: Shape = { ...of, norm: false, qkvBias: false, outputBias: false, mlpBias: false, scaling: false };
  const { config: described, weights } = written(shape);
  const keys = 'model.layers.0.self_attn.k_proj.weight';
  const without = new Map([...weights].filter(([name]) => name !== keys));
  const others = new Map([...weights, [keys, { shape: [8, 8], values: new Float32Array(64) }]]);
  const failing = async (tensors: ReadonlyMap<string, StoredTensor>, message: RegExp): Promise<void> => {
    await t.throwsAsync(readFolder(t, tensors, described), { code: 'ESP_PRETRAINED', message });
  };
  await failing(without, /k_proj\.weight is missing, although .*q_proj\.weight exists/);
  await failing(others, /k_proj\.weight has 8 rows, but its config\.json says 4/);
});

test('wrappers’ prefixes, rotary frequencies and a tied head in a file are skipped', async (t) => {
  const of = { layers: 2, keyValueHeads: 2, group: 2, headDim: 4, width: 8, hidden: 3, vocab: 5, tied: true };
  const shape: Shape = { ...of, norm: true, qkvBias: true, outputBias: true, mlpBias: false, scaling: false };
  const { config: described, weights } = written(shape);
  const frequencies = { shape: [2], values: Float32Array.of(1, 2) };
  const embedding = weights.get('model.embed_tokens.weight');
  if (embedding === undefined) throw new Error('there is an embedding');
  const more: [string, StoredTensor][] = [
    ['model.layers.0.self_attn.rotary_emb.inv_freq', frequencies],
    ['model.rotary_emb.inv_freq', frequencies],
    ['lm_head.weight', embedding],
  ];
  const whole = new Map([...weights, ...more]);
  for (const prefix of ['', '_orig_mod.', 'module.', 'base.']) {
    const tensors = new Map([...whole].map(([name, tensor]) => [prefix + name, tensor]));
    const read = await readFolder(t, tensors, described);
    t.deepEqual(new Map([...read.weights].sort()), new Map([...weightsOf(shape)].sort()), prefix);
    t.regex(read.notes.join(), /2 rotary frequencies are skipped \(.*inv_freq, …\)/);
  }
  const separate = await readFolder(t, whole, { ...described, tie_word_embeddings: false });
  t.true(separate.weights.has('lm_head.weight'));
});

/** Reads weights from a folder as a model with that config.json. */
async function readFolder(t: ExecutionContext, tensors: ReadonlyMap<string, StoredTensor>, described: Described) {
  const folder = emptyFolder(t);
  await writeSafetensors(path.join(folder, 'model.safetensors'), tensors);
  return readWeights(folder, { names: format.names, model: format.read(described), blockSize: 32 });
}
