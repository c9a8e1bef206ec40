import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { StoredTensor } from '../../../core/index.js';
import { rankAndScale } from '../../../plugins/models/adapters/config.js';
import { adapterOf } from '../../../plugins/models/adapters/export.js';
import { readAdapter, type Adapter, type LowRank } from '../../../plugins/models/adapters/read.js';
import { adapterOptions, adapterTerms } from '../../../plugins/models/adapters/terms.js';
import { gptAdapters } from '../../../plugins/models/gpt/adapter-layout.js';
import { llamaAdapters } from '../../../plugins/models/llama/adapter-layout.js';
import { mergedWeight } from '../../../plugins/models/weights/lora.js';
import { writeSafetensors } from '../../../plugins/checkpoint/safetensors/write.js';
import { readSafetensors } from '../../../plugins/checkpoint/safetensors/read.js';
import { emptyFolder } from '../../e2e/command.js';
import fc from '../../property.js';

const fixtures = path.resolve('test/fixtures/adapters');

const description = {
  hidden_size: 8,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 3,
  intermediate_size: 10,
  vocab_size: 7,
  tie_word_embeddings: false,
};
const at = 'model.layers.0';
const qkv = `${at}.self_attn.qkv_proj`;

/** Returns what a module's LoRA adds to its matrix [in, out]. */
function added({ a, b }: Pick<LowRank, 'a' | 'b'>, scale: number): StoredTensor {
  const [rows = 0, rank = 1] = a.shape;
  const weight = { shape: [rows, b.shape[1] ?? 0], values: new Float32Array(rows * (b.shape[1] ?? 0)) };
  return mergedWeight(weight, { a, b, alpha: scale * rank });
}

/** Returns some columns of a matrix. */
function columns({ shape: [rows = 0, width = 0], values }: StoredTensor, from: number, to: number): number[] {
  return Array.from({ length: rows }, (_, row) => [...values.subarray(row * width + from, row * width + to)]).flat();
}

const matrix = (rows: number, width: number): fc.Arbitrary<StoredTensor> =>
  fc
    .array(fc.integer({ min: -8, max: 8 }), { minLength: rows * width, maxLength: rows * width })
    .map((values) => ({ shape: [rows, width], values: Float32Array.from(values, (value) => value / 8) }));

const lowRank = (module: string, outputs: number): fc.Arbitrary<LowRank> =>
  fc
    .tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom(0.5, 1, 2, 3, 1 / 3, Math.SQRT2))
    .chain(([rank, scale]) =>
      fc.tuple(matrix(8, rank), matrix(rank, outputs)).map(([a, b]) => ({ module, a, b, scale, isEmbedding: false })),
    );

/** LoRA on some of queries, keys and values, on the output, or on both. */
const adapters: fc.Arbitrary<Adapter> = fc
  .tuple(
    fc.option(lowRank(`${at}.self_attn.q_proj`, 12)),
    fc.option(lowRank(`${at}.self_attn.k_proj`, 6)),
    fc.option(lowRank(`${at}.self_attn.v_proj`, 6)),
    fc.option(lowRank(`${at}.mlp.up_proj`, 10)),
  )
  .map(([q, k, v, up]) => {
    const fused = [q, k, v].filter((each) => each !== null);
    const layers = new Map<string, LowRank[]>();
    if (fused.length > 0) layers.set(qkv, fused);
    if (up !== null) layers.set(`${at}.mlp.up_proj`, [up]);
    return adapterOfLayers(layers);
  })
  .filter(({ layers }) => layers.size > 0);

function adapterOfLayers(layers: ReadonlyMap<string, LowRank[]>): Adapter {
  const config = { peft_type: 'LORA', r: 1, lora_alpha: 1, rank_pattern: {}, alpha_pattern: {} };
  const optionOf = new Map(
    [...layers.keys()].map((layer) => [layer, layer === qkv ? 'attn_lora_rank' : 'mlp_lora_rank']),
  );
  return { folder: 'adapter', config, layers, optionOf, embeddings: new Map() };
}

/** Returns a model with the shapes that an adapter's options give it. */
function modelFor(adapter: Adapter) {
  const options = adapterOptions(adapter, llamaAdapters);
  const sizes = [
    [qkv, 'attn_lora_rank', 24],
    [`${at}.mlp.up_proj`, 'mlp_lora_rank', 10],
    [`${at}.mlp.gate_proj`, 'mlp_lora_rank', 10],
  ] as const;
  const shapes = sizes.flatMap(([layer, option, outputs]): [string, { shape: number[] }][] => {
    const rank = options[option] ?? 0;
    if (rank === 0) return [];
    return [
      [`${layer}.lora_A`, { shape: [8, rank] }],
      [`${layer}.lora_B`, { shape: [rank, outputs] }],
    ];
  });
  return { description: { ...description, lora_alpha: options['lora_alpha'] }, parameters: () => new Map(shapes) };
}

function close(t: ExecutionContext, actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  t.is(actual.length, expected.length);
  for (let i = 0; i < expected.length; i++) t.true(Math.abs((actual[i] ?? NaN) - (expected[i] ?? NaN)) < 1e-5);
}

test('queries, keys and values of one layer get their own adapters’ updates, also after export', (t) => {
  fc.assert(
    fc.property(adapters, (adapter) => {
      const model = modelFor(adapter);
      const terms = adapterTerms(adapter, llamaAdapters, model);
      const alpha = Number(model.description.lora_alpha);
      const { config, weights } = adapterOf({ path: 'run', weights: terms, model: model.description }, llamaAdapters);
      for (const [layer, parts] of adapter.layers) {
        const [a, b] = [terms.get(`${layer}.lora_A`)!, terms.get(`${layer}.lora_B`)!];
        const whole = added({ a, b }, alpha / (a.shape[1] ?? NaN));
        let from = 0;
        for (const { name, outputs } of llamaAdapters.modulesOf(layer, description)) {
          const own = columns(whole, from, from + outputs);
          from += outputs;
          const part = parts.find(({ module }) => module === name);
          close(t, own, part === undefined ? own.map(() => 0) : added(part, part.scale).values);
          const [down, up] = ['A', 'B'].map((kind) => weights.get(`base_model.model.${name}.lora_${kind}.weight`));
          const { rank, scale } = rankAndScale(
            {
              ...adapter.config,
              r: Number(config['r']),
              lora_alpha: alpha,
              rank_pattern: Object(config['rank_pattern']) as Record<string, number>,
            },
            name,
          );
          t.is(down?.shape[0], rank);
          // PyTorch's layers are [out, in]: Bᵀ Aᵀ there is A B here.
          close(t, turned(product(up, down, scale)), own);
        }
      }
    }),
    { numRuns: 60 },
  );
});

/** Returns scale · left · right, for row-major matrices. */
function product(left: StoredTensor | undefined, right: StoredTensor | undefined, scale: number): StoredTensor {
  const [rows = 0, inner = 0] = left?.shape ?? [];
  const [, width = 0] = right?.shape ?? [];
  const values = new Float32Array(rows * width);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < width; j++)
      for (let k = 0; k < inner; k++)
        values[i * width + j]! += scale * (left?.values[i * inner + k] ?? NaN) * (right?.values[k * width + j] ?? NaN);
  return { shape: [rows, width], values };
}

function turned({ shape: [rows = 0, width = 0], values }: StoredTensor): number[] {
  return Array.from({ length: rows * width }, (_, i) => values[(i % rows) * width + Math.floor(i / rows)] ?? NaN);
}

test('a shared A for queries, keys and values stays shared after export and import', (t) => {
  const a: StoredTensor = { shape: [8, 2], values: Float32Array.from({ length: 16 }, (_, i) => Math.sin(i)) };
  const b: StoredTensor = { shape: [2, 24], values: Float32Array.from({ length: 48 }, (_, i) => Math.cos(i)) };
  const weights = new Map([
    [`${qkv}.lora_A`, a],
    [`${qkv}.lora_B`, b],
  ]);
  const model = { ...description, lora_alpha: 5 };
  const exported = adapterOf({ path: 'run', weights, model }, llamaAdapters);
  t.like(exported.config, { r: 2, lora_alpha: 5, fan_in_fan_out: false });
  t.is(exported.weights.size, 6);
  const part = (name: string): LowRank => {
    const module = `${at}.self_attn.${name}_proj`;
    const [down, up] = ['A', 'B'].map((kind) => exported.weights.get(`base_model.model.${module}.lora_${kind}.weight`));
    const own = (tensor: StoredTensor | undefined): StoredTensor => ({
      shape: [...(tensor?.shape ?? [])].reverse(),
      values: Float32Array.from(turned(tensor ?? { shape: [], values: new Float32Array() })),
    });
    return { module, a: own(down), b: own(up), scale: 5 / 2, isEmbedding: false };
  };
  const adapter = adapterOfLayers(new Map([[qkv, ['q', 'k', 'v'].map(part)]]));
  t.like(adapterOptions(adapter, llamaAdapters), { attn_lora_rank: 2, lora_alpha: 5 });
  const terms = adapterTerms(adapter, llamaAdapters, modelFor(adapter));
  t.deepEqual(terms, weights);
});

test('ranks and alpha come from peft’s files', async (t) => {
  const options = async (name: string, layout = gptAdapters) =>
    adapterOptions(await readAdapter(path.join(fixtures, name), layout), layout);
  t.deepEqual(await options('gpt2-attention'), { attn_lora_rank: 3, embedding_lora_rank: 0, lora_alpha: 7.5 });
  // rsLoRA: 8 / √4 is a scale of 4, which is 16 / 4.
  t.deepEqual(await options('gpt2-embedding'), { attn_lora_rank: 0, embedding_lora_rank: 4, lora_alpha: 16 });
  const llama = { output_lora_rank: 0, mlp_lora_rank: 0, embedding_lora_rank: 0 };
  t.deepEqual(await options('llama-default', llamaAdapters), { ...llama, attn_lora_rank: 4, lora_alpha: 8 });
  t.deepEqual(await options('llama-all', llamaAdapters), {
    ...{ attn_lora_rank: 7, output_lora_rank: 2, mlp_lora_rank: 2, embedding_lora_rank: 0 },
    lora_alpha: 14,
  });
});

/** Returns a copy of a fixture with other settings. */
function changed(t: ExecutionContext, name: string, settings: Record<string, unknown>): string {
  const folder = path.join(emptyFolder(t), 'adapter');
  cpSync(path.join(fixtures, name), folder, { recursive: true });
  const file = path.join(folder, 'adapter_config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...config, ...settings }));
  return folder;
}

test('anything but LoRA’s A and B is refused by name', async (t) => {
  for (const [settings, message] of [
    [{ peft_type: 'IA3' }, /peft_type "IA3"/],
    [{ use_dora: true }, /use_dora true \(DoRA\)/],
    [{ bias: 'lora_only' }, /bias "lora_only"/],
    [{ modules_to_save: ['lm_head'] }, /modules_to_save \["lm_head"\]/],
    [{ trainable_token_indices: [3] }, /trainable_token_indices/],
    [{ init_lora_weights: 'pissa_niter_4' }, /init_lora_weights "pissa_niter_4"/],
    [{ target_modules: ['mlp.c_fc'] }, /LoRA for transformer\.h\.0\.attn\.c_attn, which target_modules/],
    [{ target_modules: '.*\\.1\\..*' }, /LoRA for transformer\.h\.0\.attn\.c_attn, which target_modules/],
    [{ target_modules: '(?P<n>' }, /pattern target_modules is not supported/],
    [{ rank_pattern: {} }, /have the ranks 2 and 2, but adapter_config\.json says 3/],
    [{ lora_alpha: 'much' }, /not a LoRA adapter that can be loaded.*lora_alpha/s],
  ] as const) {
    const folder = changed(t, 'gpt2-attention', settings);
    await t.throwsAsync(readAdapter(folder, gptAdapters), { code: 'ESP_PRETRAINED', message });
  }
});

test('`target_modules` as a pattern and as all-linear names what peft’s does', async (t) => {
  for (const settings of [{ target_modules: '.*attn\\.c_attn' }, { target_modules: 'all-linear' }]) {
    const adapter = await readAdapter(changed(t, 'gpt2-attention', settings), gptAdapters);
    t.is(adapter.layers.size, 2);
  }
});

test('unknown tensors are refused by name, and a folder without safetensors is refused', async (t) => {
  const folder = changed(t, 'gpt2-attention', {});
  const file = path.join(folder, 'adapter_model.safetensors');
  const tensors = await readSafetensors(file);
  const matrix = { shape: [2, 3], values: new Float32Array(6) };
  const refused = async (name: string, message: RegExp): Promise<void> => {
    await writeSafetensors(file, new Map([...tensors, [name, matrix]]));
    await t.throwsAsync(readAdapter(folder, gptAdapters), { code: 'ESP_PRETRAINED', message });
  };
  await refused(
    'base_model.model.transformer.h.0.mlp.c_fc.lora_A.weight',
    /LoRA for transformer\.h\.0\.mlp\.c_fc, which this model does not support/,
  );
  await refused('base_model.model.score.weight', /base_model\.model\.score\.weight, which is not an A or B/);
  await refused('base_model.model.transformer.h.5.attn.c_attn.lora_A.weight', /only one of A and B/);
  rmSync(file);
  await t.throwsAsync(readAdapter(folder, gptAdapters), {
    code: 'ESP_PRETRAINED',
    message: /no adapter_model\.safetensors/,
  });
  writeFileSync(path.join(folder, 'adapter_model.bin'), '');
  await t.throwsAsync(readAdapter(folder, gptAdapters), { message: /adapter_model\.bin, which can run code/ });
});

test('LoRA on an embedding but not on the head tied to it is refused', async (t) => {
  const adapter = await readAdapter(path.join(fixtures, 'gpt2-embedding'), gptAdapters);
  const alone = new Map([...adapter.layers].map(([layer, parts]) => [layer, parts.filter((part) => part.isEmbedding)]));
  const model = {
    description: { n_embd: 16, vocab_size: 48, lora_alpha: 16 },
    parameters: () =>
      new Map([
        ['transformer.wte.lora_A', { shape: [48, 4] }],
        ['transformer.wte.lora_B', { shape: [4, 16] }],
      ]),
  };
  t.is(adapterTerms(adapter, gptAdapters, model).size, 2);
  t.throws(() => adapterTerms({ ...adapter, layers: alone }, gptAdapters, model), {
    code: 'ESP_PRETRAINED',
    message: /LoRA for transformer\.wte, but this model ties its embedding and lm_head/,
  });
});

test('a model without LoRA exports no adapter', (t) => {
  const weights = new Map([['transformer.wte.weight', { shape: [2, 2], values: new Float32Array(4) }]]);
  t.throws(() => adapterOf({ path: 'run', weights, model: {} }, gptAdapters), {
    code: 'ESP_CHECKPOINT_EXPORT',
    message: /run has no LoRA.*attn_lora_rank or embedding_lora_rank, or export the whole model with --to hf/,
  });
});
