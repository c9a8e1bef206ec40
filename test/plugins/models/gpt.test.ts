import test, { type ExecutionContext } from 'ava';
import { tf, type Model } from '../../../core/index.js';
import { arithmeticOf } from '../../bench/shapes.js';
import { decoder, ids, values, VOCAB } from './decoders.js';

const size = { n_layer: 2, n_head: 2, n_embd: 8, block_size: 6, dropout: 0, bias: false };
const gpt = (t: ExecutionContext, options: Record<string, unknown> = {}): Promise<Model> =>
  decoder(t, { ...size, ...options });

function deviation(tensor: tf.Tensor | undefined): number {
  const all = values(tensor);
  const mean = all.reduce((sum, x) => sum + x, 0) / all.length;
  return Math.sqrt(all.reduce((sum, x) => sum + (x - mean) ** 2, 0) / all.length);
}

function counts(model: Model): Record<string, number> {
  return Object.fromEntries(model.parameterCounts().map(({ component, total }) => [component, total]));
}

test('parameters are counted by component; the head is the embedding, counted once', async (t) => {
  const layers = size.n_layer;
  const width = size.n_embd;
  const bare = { wte: VOCAB * width, wpe: size.block_size * width };
  t.deepEqual(counts(await gpt(t)), {
    ...bare,
    ln: (2 * layers + 1) * width,
    attn: layers * 4 * width ** 2,
    mlp: layers * 8 * width ** 2,
  });
  t.deepEqual(counts(await gpt(t, { bias: true })), {
    ...bare,
    ln: (2 * layers + 1) * 2 * width,
    attn: layers * (4 * width ** 2 + 4 * width),
    mlp: layers * (8 * width ** 2 + 5 * width),
  });
  t.is(counts(await gpt(t, { n_hidden: 5 }))['mlp'], layers * 2 * 5 * width);
});

test('the option bias adds all biases', async (t) => {
  const names = [...(await gpt(t)).parameters().keys()];
  t.true(names.every((name) => name.endsWith('.weight')));
  const biased = await gpt(t, { bias: true });
  const biases = [...biased.parameters()].filter(([name]) => name.endsWith('.bias'));
  t.is(biases.length, size.n_layer * 6 + 1);
  t.true(biases.every(([, variable]) => values(variable).every((value) => value === 0)));
});

test('n_hidden is the width of the MLP', async (t) => {
  const parameters = (await gpt(t, { n_hidden: 5 })).parameters();
  t.deepEqual(parameters.get('transformer.h.1.mlp.c_fc.weight')?.shape, [8, 5]);
  t.deepEqual(parameters.get('transformer.h.1.mlp.c_proj.weight')?.shape, [5, 8]);
  t.deepEqual((await gpt(t)).parameters().get('transformer.h.1.mlp.c_fc.weight')?.shape, [8, 32]);
});

test('weights start with deviation 0.02, residual projections with 0.02 / sqrt(2 · layers)', async (t) => {
  const model = await gpt(t, { n_embd: 64, n_layer: 4 });
  const residual = 0.02 / Math.sqrt(8);
  for (const [name, variable] of model.parameters()) {
    if (name.includes('ln_')) {
      t.true(
        values(variable).every((value) => value === 1),
        name,
      );
      continue;
    }
    const expected = name.endsWith('c_proj.weight') ? residual : 0.02;
    // The estimate from n normal numbers has a relative error of 1 / sqrt(2n); allow five times that.
    const slack = (expected * 5) / Math.sqrt(2 * variable.size);
    t.true(Math.abs(deviation(variable) - expected) < slack, `${name}: ${deviation(variable)}, not ${expected}`);
  }
});

test('the head is the token embedding: logits depend on it, and its gradient reaches tokens outside the input', async (t) => {
  const model = await gpt(t);
  const wte = model.parameters().get('transformer.wte.weight');
  t.truthy(wte);
  if (wte === undefined) return;
  const input = ids([1, 2]);
  const before = values(model.logits(input));
  // Half a row: the last layer norm's output sums to 0, so a constant added to a whole row would change no logit.
  const changed = values(wte).map((value, i) => (i >= 9 * size.n_embd && i < 9.5 * size.n_embd ? value + 1 : value));
  wte.assign(tf.tensor(changed, wte.shape));
  const after = values(model.logits(input));
  const differing = [...after.keys()].filter((i) => after[i] !== before[i]).map((i) => i % VOCAB);
  t.deepEqual([...new Set(differing)], [9]);
  const { grads } = tf.variableGrads(() => model.loss(input, ids([2, 3])), [wte]);
  const unused = values(grads[wte.name]).slice(7 * size.n_embd, 8 * size.n_embd);
  t.true(unused.some((value) => value !== 0));
});

test('floating-point operations per token follow the formula, less for frozen weights, more for LoRA’s products', async (t) => {
  const { n_layer: layers, n_head: heads, n_embd: embd, block_size: blockSize } = size;
  const whole = arithmeticOf({ layers, heads, embd, blockSize, batchSize: 1, vocabSize: VOCAB }) / blockSize;
  t.is((await gpt(t)).trainingFlopsPerToken(), whole);
  t.is((await gpt(t, { bias: true, dropout: 0.1 })).trainingFlopsPerToken(), whole);
  t.is((await gpt(t, { trained: 'embeddings' })).trainingFlopsPerToken(), whole - 2 * layers * 12 * embd ** 2);
  const rank = 2;
  // The matrices of rank 2 are trained, the ones they belong to are not.
  const lora = layers * (6 * rank * (embd + 3 * embd) - 2 * 3 * embd ** 2);
  t.is((await gpt(t, { attn_lora_rank: rank })).trainingFlopsPerToken(), whole + lora);
});
