import test, { type ExecutionContext } from 'ava';
import { RandomStreams, tf, type Model } from '../../../core/index.js';
import { rotaryFrequencies } from '../../../plugins/ops/contract.js';
import { WeightRoles } from '../../../plugins/optimizers/contract.js';
import { InspectableModel } from '../../../plugins/models/contract.js';
import { llamaOptions } from '../../../plugins/models/llama/config.js';
import { viewModel } from '../../../plugins/models/llama/inspect.js';
import { decoder, decoderRun, ids, values, VOCAB } from './decoders.js';
import { llamaLogits, type ReferenceConfig } from './llama-reference.js';

const size = { n_layer: 2, n_head: 4, n_embd: 16, block_size: 8 };
const silu = (x: number): number => x / (1 + Math.exp(-x));
const scaling = { factor: 4, low_freq_factor: 1, high_freq_factor: 4, original_block_size: 64 };
const variants: Record<string, Record<string, unknown>> = {
  plain: {},
  'with fewer key and value heads': { n_kv_head: 2 },
  'with one key and value head': { n_kv_head: 1 },
  'with wider heads and query-key norm': { head_dim: 6, n_kv_head: 2, qk_norm: true },
  'with biases and an untied head': { qkv_bias: true, output_bias: true, mlp_bias: true, tied: false },
  'with Llama 3’s scaling and another base': { rotary_base: 500, rotary_scaling: scaling, norm_epsilon: 1e-2 },
  'with ReLU and a narrow MLP': { activation: 'relu', n_hidden: 5 },
  'with LoRA on every layer': {
    ...{ attn_lora_rank: 2, output_lora_rank: 3, mlp_lora_rank: 1, embedding_lora_rank: 2, lora_alpha: 3 },
  },
};

/** Weights that all differ from their initial values. */
async function llama(t: ExecutionContext, options: Record<string, unknown> = {}): Promise<Model> {
  const model = await decoder(t, { use: 'llama', ...size, ...options });
  makeNoisy(model);
  return model;
}

function makeNoisy(model: Model): void {
  const random = new RandomStreams(9).at('noise', 0);
  for (const variable of model.parameters().values()) {
    const noise = Float32Array.from({ length: variable.size }, () => 0.3 * random.normal());
    tf.tidy(() => variable.assign(tf.add(variable, tf.tensor(noise, variable.shape))));
  }
}

function rowsOf(model: Model): (name: string) => number[][] | undefined {
  const rows = new Map(
    [...model.parameters()].map(([name, weight]) => [name, tf.tidy(() => matrix(weight).arraySync())]),
  );
  return (name) => rows.get(name);
}

function matrix(weight: tf.Tensor): tf.Tensor2D {
  return tf.reshape(weight, [-1, weight.shape.at(-1) ?? 1]);
}

function referenceOf(options: Record<string, unknown>): ReferenceConfig {
  const all = { n_kv_head: 4, head_dim: 4, rotary_base: 10000, norm_epsilon: 1e-5, lora_alpha: 1, ...size, ...options };
  return {
    ...all,
    frequencies: rotaryFrequencies(all.head_dim, all.rotary_base, 'rotary_scaling' in options ? scaling : null),
    activation: options['activation'] === 'relu' ? (x: number) => Math.max(x, 0) : silu,
  };
}

const text = [3, 1, 4, 1, 5, 9, 2, 6];

for (const [what, options] of Object.entries(variants)) {
  test(`a llama ${what} equals its definition`, async (t) => {
    const model = await llama(t, options);
    const expected = llamaLogits(referenceOf(options), rowsOf(model), text).flat();
    const found = values(model.logits(ids(text)));
    t.is(found.length, expected.length);
    const largest = Math.max(...expected.map(Math.abs));
    t.true(largest > 0.5, 'the logits are not all near 0');
    found.forEach((value, i) => t.true(Math.abs(value - (expected[i] ?? NaN)) < 2e-5 * largest, String(i)));
  });
}

test('the view for threads computes the model’s attention', async (t) => {
  const options = { n_kv_head: 2, head_dim: 6, qk_norm: true, attn_lora_rank: 2, qkv_bias: true };
  const run = await decoderRun(t, { use: 'llama', ...size, ...options });
  makeNoisy(run.model);
  const expected = new Map<string, number[]>();
  llamaLogits(referenceOf(options), rowsOf(run.model), text, (block, head, shares) => {
    const rows = expected.get(`${block}.${head}`) ?? [];
    expected.set(`${block}.${head}`, [...rows, ...shares, ...new Array<number>(text.length - shares.length).fill(0)]);
  });
  const weights = new Map(
    [...run.model.parameters()].map(([name, weight]) => [name, { shape: weight.shape, values: values(weight) }]),
  );
  const view = viewModel(structuredClone(run.container.resolve(InspectableModel).shareView().data), weights);
  t.deepEqual([view.blocks[0]?.queries.columns, view.blocks[0]?.keys.columns], [24, 12]);
  const seen = new Set<string>();
  view.attention(Int32Array.from(text), (block, head, attention) => {
    seen.add(`${block}.${head}`);
    const rows = expected.get(`${block}.${head}`);
    attention.forEach((share, i) => t.true(Math.abs(share - (rows?.[i] ?? NaN)) < 1e-5));
  });
  t.deepEqual([...seen].sort(), [...expected.keys()].sort());
});

test('every weight has its role, and qkv_proj has the columns of queries, keys and values', async (t) => {
  const run = await decoderRun(t, {
    use: 'llama',
    ...size,
    n_kv_head: 1,
    tied: false,
    qk_norm: true,
    mlp_lora_rank: 2,
  });
  const roles = run.container.resolve(WeightRoles).weightRoles();
  t.deepEqual([...roles.keys()], [...run.model.parameters().keys()]);
  const role = (name: string): unknown[] => {
    const { role: what, depth, parts } = roles.get(name) ?? {};
    return [what, depth, parts];
  };
  t.deepEqual(role('model.embed_tokens.weight'), ['embedding', undefined, undefined]);
  t.deepEqual(role('lm_head.weight'), ['head', undefined, undefined]);
  t.deepEqual(role('model.layers.1.self_attn.qkv_proj.weight'), ['matrix', 1, [16, 4, 4]]);
  t.deepEqual(role('model.layers.1.self_attn.k_norm.weight'), ['norm', 1, undefined]);
  t.deepEqual(role('model.layers.0.mlp.down_proj.lora_A'), ['matrix', 0, undefined]);
  t.deepEqual(role('model.norm.weight'), ['norm', undefined, undefined]);
});

test('parameters are counted by component, including an untied head; operations are those of the products', async (t) => {
  const { n_layer: layers, n_embd: width, block_size: block } = size;
  const hidden = 48;
  const qkvo = width * (16 + 2 * 4) + 16 * width;
  const own = await decoder(t, { use: 'llama', ...size, n_kv_head: 1, tied: false });
  t.deepEqual(Object.fromEntries(own.parameterCounts().map(({ component, total }) => [component, total])), {
    wte: VOCAB * width,
    ln: (2 * layers + 1) * width,
    attn: layers * qkvo,
    mlp: layers * 3 * width * hidden,
    lm_head: VOCAB * width,
  });
  const matrices = layers * (qkvo + 3 * width * hidden) + VOCAB * width;
  const attention = layers * 2 * 16 * ((block + 1) / 2);
  t.is(own.trainingFlopsPerToken(), 6 * (matrices + attention));
  // If tied, the table is the head: equally many operations, and one table less.
  t.is((await decoder(t, { use: 'llama', ...size, n_kv_head: 1 })).trainingFlopsPerToken(), 6 * (matrices + attention));
});

test('conflicting options are refused, saying what would fit', (t) => {
  const refused = (options: object, message: RegExp): void => {
    const { error } = llamaOptions.safeParse({ ...size, ...options });
    t.regex(error?.message ?? '', message);
  };
  refused({ n_head: 3 }, /must divide n_embd 16; or set head_dim/);
  refused({ n_head: 16 }, /heads of an even width, not 1/);
  refused({ head_dim: 5 }, /heads of an even width, not 5/);
  refused({ n_kv_head: 3 }, /n_kv_head 3 must divide n_head 4/);
  refused({ trained: 'lora' }, /set attn_lora_rank, or output_lora_rank, or mlp_lora_rank, or embedding_lora_rank/);
  refused({ mlp_lora_rank: 17 }, /mlp_lora_rank 17 is over n_embd 16/);
  refused({ rotary_scaling: { ...scaling, low_freq_factor: 4 } }, /low_freq_factor must be below high_freq_factor/);
  t.true(llamaOptions.safeParse({ ...size, n_head: 3, head_dim: 4 }).success);
});
