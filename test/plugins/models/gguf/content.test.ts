import test from 'ava';
import type { GgufContent } from '../../../../plugins/models/gguf/container.js';
import { ggufContent } from '../../../../plugins/models/gguf/content.js';
import type { HuggingFaceModel } from '../../../../plugins/models/gguf/model.js';
import { smallGpt2, smallLlama } from './models.js';

const definition = JSON.stringify({
  model: { type: 'BPE', vocab: { a: 0 }, merges: [] },
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false },
});
const bare = { name: 'a', dtype: 'f16', tokenizer: { definition, config: {} } } as const;
const refused = { code: 'ESP_CHECKPOINT_GGUF' };

function tensorOf(
  { tensors }: GgufContent,
  name: string,
): { shape: readonly number[]; dtype: string; values: number[] } {
  const found = tensors.find((tensor) => tensor.name === name);
  if (found === undefined) throw new Error(`no tensor ${name}`);
  return { shape: found.shape, dtype: found.dtype, values: [...found.values()] };
}

function changed({ config, weights }: HuggingFaceModel, over: Record<string, unknown>): HuggingFaceModel {
  return { config: { ...config, ...over }, weights };
}

test('GPT-2: matrices are transposed; norms, biases and positions stay in float32', (t) => {
  const model = smallGpt2(50);
  const content = ggufContent(model, bare);
  const [from, to] = [model.weights.get('transformer.h.1.mlp.c_fc.weight'), tensorOf(content, 'blk.1.ffn_up.weight')];
  t.deepEqual(
    [from?.shape, to.shape],
    [
      [24, 96],
      [96, 24],
    ],
  );
  t.is(to.values[5 * 24 + 3], from?.values[3 * 96 + 5]);
  const full = content.tensors.filter(({ dtype }) => dtype === 'f32').map(({ name }) => name);
  t.true(full.every((name) => /bias$|_norm\.weight$|^position_embd/.test(name)));
  t.is(full.length, 1 + 2 * 8 + 2);
});

test('Llama: the halves of each query and key head are interleaved, but not Qwen’s', (t) => {
  const llama = smallLlama('mistral', 50);
  const name = 'model.layers.0.self_attn.k_proj.weight';
  const given = llama.weights.get(name)?.values ?? [];
  const rows = (values: ArrayLike<number>): number[] => Array.from({ length: 8 }, (_, row) => values[row * 24] ?? NaN);
  const before = rows(given);
  // Two heads of four rows.
  const order = [0, 2, 1, 3, 4, 6, 5, 7];
  t.deepEqual(
    rows(tensorOf(ggufContent(llama, bare), 'blk.0.attn_k.weight').values),
    order.map((row) => before[row]),
  );
  const qwen = smallLlama('qwen2', 50);
  t.deepEqual(tensorOf(ggufContent(qwen, bare), 'blk.0.attn_k.weight').values, [
    ...(qwen.weights.get(name)?.values ?? []),
  ]);
});

test('Llama 3’s scaling divides each frequency: by 1 for the highest, by the factor for the lowest', (t) => {
  const { shape, dtype, values } = tensorOf(ggufContent(smallLlama('llama3', 50), bare), 'rope_freqs.weight');
  t.deepEqual([shape, dtype], [[2], 'f32']);
  // Wavelengths 2π and 200π in a context of 64: below 64 / 4, and above 64 / 1.
  t.deepEqual(values, [1, 8]);
});

test('the metadata names the model, and holds the chat template', (t) => {
  const { metadata } = ggufContent(smallGpt2(50), { ...bare, chatTemplate: '{{ messages }}' });
  const value = (key: string): unknown => metadata.get(key)?.value;
  t.is(value('general.name'), 'a');
  t.is(value('general.size_label'), '16K');
  t.is(value('tokenizer.chat_template'), '{{ messages }}');
});

test('models that llama.cpp does not support are refused, saying what to do', (t) => {
  const refusal = (model: HuggingFaceModel, message: RegExp): void => {
    t.throws(() => ggufContent(model, bare), { ...refused, message });
  };
  const gpt2 = smallGpt2(50);
  refusal(
    changed(gpt2, { activation_function: 'gelu' }),
    /exact GELU: train with model\.activation: gelu_tanh, or export/,
  );
  refusal(changed(gpt2, { activation_function: 'relu' }), /has relu/);
  refusal(changed(gpt2, { model_type: 'bloom' }), /model_type is bloom: export for Hugging Face/);
  const llama = smallLlama('llama', 50);
  refusal(changed(llama, { hidden_act: 'gelu' }), /with SiLU, but this model has gelu/);
  refusal(changed(llama, { rope_parameters: { rope_type: 'yarn', factor: 2 } }), /rotary scaling "yarn"/);
  refusal(
    changed(smallLlama('qwen2', 50), { rope_scaling: { rope_type: 'llama3' }, rope_parameters: null }),
    /"llama3" of qwen2/,
  );
  refusal(changed(smallLlama('qwen2', 50), { head_dim: 8 }), /in qwen2, not of 8/);
  refusal(
    changed(smallLlama('llama3', 50), { model_type: 'qwen3', rope_parameters: null }),
    /no place for model\.layers\.0\.self_attn\.o_proj\.bias .* qwen3/,
  );
  refusal(
    changed(smallLlama('qwen3', 50), { model_type: 'llama' }),
    /no place for model\.layers\.0\.self_attn\.q_norm\.weight/,
  );
});

test('a number too large for half precision is refused, but written with --dtype f32', (t) => {
  const model = smallGpt2(50);
  const [first] = model.weights.values();
  if (first === undefined) throw new Error('no weights');
  first.values[7] = -70000;
  t.throws(() => tensorOf(ggufContent(model, bare), 'token_embd.weight'), {
    ...refused,
    message: /token_embd\.weight in half precision, which cannot hold its -70000: add --dtype f32/,
  });
  t.is(tensorOf(ggufContent(model, { ...bare, dtype: 'f32' }), 'token_embd.weight').values[7], -70000);
});
