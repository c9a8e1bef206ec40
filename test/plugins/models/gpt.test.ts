import test, { type ExecutionContext } from 'ava';
import { Engine, RandomStreams, tf, type Model } from '../../../core/index.js';
import { makeRun } from '../../../core/run/make.js';
import { useEngine } from '../../../core/tf.js';
import { arithmeticOf } from '../../bench/shapes.js';

const VOCAB = 11;
const size = { n_layer: 2, n_head: 2, n_embd: 8, block_size: 6, dropout: 0, bias: false };
const pass = { iteration: 0, microBatch: 0 };

/** The model that the pipeline makes for these options, on the cpu engine. */
async function gpt(t: ExecutionContext, options: Record<string, unknown> = {}, seed = 1): Promise<Model> {
  const { run } = await makeRun({
    cwd: process.cwd(),
    presets: ['debug'],
    set: ['engine=cpu', `seed=${String(seed)}`, `model=${JSON.stringify({ ...size, ...options })}`],
    only: ['engine', 'model'],
  });
  t.teardown(() => run.dispose());
  await run.setUp(VOCAB);
  useEngine(run.container.resolve(Engine));
  return run.model;
}

const byName = (model: Model): Map<string, Float32Array> =>
  new Map([...model.parameters()].map(([name, weight]) => [name, values(weight)]));

test('weights that are loaded are not drawn; those that are not start as in a new model, and so does what is drawn later', async (t) => {
  const lora = { attn_lora_rank: 2 };
  const fresh = await gpt(t, lora);
  const plain = byName(await gpt(t, {}, 2));
  const { run } = await makeRun({
    cwd: process.cwd(),
    presets: ['debug'],
    set: ['engine=cpu', 'seed=1', `model=${JSON.stringify({ ...size, ...lora })}`],
    only: ['engine', 'model'],
  });
  t.teardown(() => run.dispose());
  await run.setUp(VOCAB, { loads: true });
  useEngine(run.container.resolve(Engine));
  t.true(values(run.model.parameters().get('transformer.wte.weight')).every((value) => value === 0));
  const shapes = run.model.parameters();
  run.loadWeights({
    path: 'plain',
    weights: new Map(
      [...plain].map(([name, stored]) => [name, { shape: shapes.get(name)?.shape ?? [], values: stored }]),
    ),
  });
  const expected = byName(fresh);
  t.true([...expected.keys()].some((name) => name.includes('lora_A')));
  for (const [name, loaded] of byName(run.model)) t.deepEqual(loaded, plain.get(name) ?? expected.get(name), name);
  const random = run.container.resolve(RandomStreams).state();
  t.true((random['init'] ?? 0) > 0 && (random['init/lora'] ?? 0) > 0, 'streams stand where drawing leaves them');
});

test('initial weights are the numbers of the streams, one by one', async (t) => {
  const [model, stream] = [await gpt(t, { bias: true }, 3), new RandomStreams(3).stream('init')];
  for (const [name, weight] of model.parameters()) {
    if (/\.bias$|\.ln_/.test(name)) continue;
    const scale = name.endsWith('c_proj.weight') ? 0.02 / Math.sqrt(2 * size.n_layer) : 0.02;
    t.deepEqual(
      values(weight),
      Float32Array.from({ length: weight.size }, () => scale * stream.normal()),
      name,
    );
  }
});

function values(tensor: tf.Tensor | undefined): Float32Array {
  return Float32Array.from(tensor?.dataSync() ?? []);
}

function assertNear(t: ExecutionContext, found: Float32Array, expected: Float32Array, what: string): void {
  t.is(found.length, expected.length, what);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
  t.true(
    found.every((value, i) => Math.abs(value - expected[i]!) <= 1e-5 * largest),
    what,
  );
}

function deviation(tensor: tf.Tensor | undefined): number {
  const all = values(tensor);
  const mean = all.reduce((sum, x) => sum + x, 0) / all.length;
  return Math.sqrt(all.reduce((sum, x) => sum + (x - mean) ** 2, 0) / all.length);
}

function ids(...rows: number[][]): tf.Tensor2D {
  return tf.tensor2d(rows, undefined, 'int32');
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

test('biases are there with bias, and nowhere without it', async (t) => {
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

test('weights start with deviation 0.02, those that add to the residual with 0.02 / sqrt(2 · layers)', async (t) => {
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
    // The deviation of n normal numbers is itself known to 1 / sqrt(2n): five times that.
    const slack = (expected * 5) / Math.sqrt(2 * variable.size);
    t.true(Math.abs(deviation(variable) - expected) < slack, `${name}: ${deviation(variable)}, not ${expected}`);
  }
});

test('a new model is as good as guessing: its loss is near ln(vocabulary)', async (t) => {
  const model = await gpt(t);
  const loss = model.loss(ids([0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 0]), ids([1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 0, 1]));
  t.true(Math.abs((loss.dataSync()[0] ?? NaN) - Math.log(VOCAB)) < 0.05);
});

test('the head is the token embedding: logits follow it, and its gradient reaches tokens that are not in the input', async (t) => {
  const model = await gpt(t);
  const wte = model.parameters().get('transformer.wte.weight');
  t.truthy(wte);
  if (wte === undefined) return;
  const input = ids([1, 2]);
  const before = values(model.logits(input));
  // Half a row: the last layer norm's output sums to 0, so that a whole row more would change no logit.
  const changed = values(wte).map((value, i) => (i >= 9 * size.n_embd && i < 9.5 * size.n_embd ? value + 1 : value));
  wte.assign(tf.tensor(changed, wte.shape));
  const after = values(model.logits(input));
  const differing = [...after.keys()].filter((i) => after[i] !== before[i]).map((i) => i % VOCAB);
  t.deepEqual([...new Set(differing)], [9]);
  const { grads } = tf.variableGrads(() => model.loss(input, ids([2, 3])), [wte]);
  const unused = values(grads[wte.name]).slice(7 * size.n_embd, 8 * size.n_embd);
  t.true(unused.some((value) => value !== 0));
});

test('a position sees itself and what is before it, nothing after', async (t) => {
  const model = await gpt(t);
  const one = values(model.logits(ids([1, 2, 3, 4, 5, 6])));
  const other = values(model.logits(ids([1, 2, 3, 9, 5, 6])));
  t.deepEqual(one.slice(0, 3 * VOCAB), other.slice(0, 3 * VOCAB));
  for (let at = 3; at < 6; at++) {
    t.notDeepEqual(one.slice(at * VOCAB, (at + 1) * VOCAB), other.slice(at * VOCAB, (at + 1) * VOCAB));
  }
});

const packed = { ids: [1, 2, 3, 4, 5, 6], targets: [2, 7, 4, 5, 8, 9], documents: [4, 4, 9, 9, 9, 4] };

for (const [what, options] of Object.entries({
  'a table of positions that are all the same': {},
  'rotary positions, which are told by their distance': { rotary: true },
})) {
  test(`documents of a packed row do not see each other: with ${what}, each is what it is alone in a row`, async (t) => {
    const model = await gpt(t, options);
    for (const [name, weight] of model.parameters()) {
      if (!name.includes('ln_')) weight.assign(tf.mul(weight, 10));
      if (name.endsWith('wpe.weight')) weight.assign(tf.fill(weight.shape, 0.1));
    }
    const whole = (): tf.Scalar =>
      model.loss(ids(packed.ids), ids(packed.targets), undefined, { documents: ids(packed.documents) });
    const each = (): tf.Scalar => {
      const losses = [[0, 2] as const, [2, 5] as const, [5, 6] as const].map(([from, to]) =>
        tf.mul<tf.Scalar>(model.loss(ids(packed.ids.slice(from, to)), ids(packed.targets.slice(from, to))), to - from),
      );
      return tf.div(tf.addN(losses), packed.ids.length);
    };
    // Weights of positions are learned from where they stand.
    const weights = [...model.parameters()]
      .filter(([name]) => !name.endsWith('wpe.weight'))
      .map(([, weight]) => weight);
    const [found, expected] = [tf.variableGrads(whole, weights), tf.variableGrads(each, weights)];
    assertNear(t, values(found.value), values(expected.value), 'loss');
    for (const { name } of weights) assertNear(t, values(found.grads[name]), values(expected.grads[name]), name);
    const without = model.loss(ids(packed.ids), ids(packed.targets));
    t.true(Math.abs(values(without)[0]! - values(expected.value)[0]!) > 1e-3, 'without documents they see each other');
  });
}

test('forward gives the logits, and what the head makes them from', async (t) => {
  const model = await gpt(t, { dropout: 0.3 });
  const tokens = { documents: ids(packed.documents) };
  const forward = model.forward?.(ids(packed.ids), pass, tokens);
  t.deepEqual(values(forward?.logits), values(model.logits(ids(packed.ids), pass, tokens)));
  const table = model.parameters().get('transformer.wte.weight');
  if (forward === undefined || table === undefined) return t.fail('gpt has no forward');
  const hidden = tf.reshape(forward.hidden, [packed.ids.length, size.n_embd]);
  assertNear(t, values(tf.matMul(hidden, table, false, true)), values(forward.logits), 'logits');
});

test('top-k 1 writes the likeliest token each time, whatever the random numbers are, as temperature 0 does', async (t) => {
  const model = await gpt(t);
  // Weights as they start give logits of about 0: larger ones make the choice mean something.
  for (const [name, variable] of model.parameters()) if (!name.includes('ln_')) variable.assign(tf.mul(variable, 20));
  const expected = [3, 1];
  while (expected.length < 2 + 12) {
    const context = expected.slice(-size.block_size);
    const last = values(model.logits(ids(context))).slice(-VOCAB);
    expected.push(last.indexOf(Math.max(...last)));
  }
  t.true(new Set(expected.slice(2)).size > 1, 'the choice is not always the same token');
  const options = { maxNewTokens: 12, temperature: 1, topK: 1 };
  for (const constant of [0, 0.5, 0.999999]) {
    t.deepEqual(model.generate([3, 1], { ...options, random: () => constant }), expected.slice(2));
  }
  t.deepEqual(model.generate([3, 1], { ...options, temperature: 0, topK: 0, random: () => 0.7 }), expected.slice(2));
});

test('every token is drawn as often as its probability says', async (t) => {
  const model = await gpt(t);
  for (const variable of model.parameters().values()) variable.assign(tf.mul(variable, 8));
  const logits = values(model.logits(ids([4]))).map((logit) => logit / 2);
  const exps = Array.from(logits, Math.exp);
  const total = exps.reduce((sum, value) => sum + value, 0);
  const draws = 400;
  const drawn = new Array<number>(VOCAB).fill(0);
  for (let i = 0; i < draws; i++) {
    const [id = -1] = model.generate([4], {
      maxNewTokens: 1,
      temperature: 2,
      topK: 0,
      random: () => (i + 0.5) / draws,
    });
    drawn[id] = (drawn[id] ?? 0) + 1;
  }
  // Evenly spaced numbers leave at most one draw of rounding at each end of a token's share.
  drawn.forEach((hits, id) => t.true(Math.abs(hits - (draws * (exps[id] ?? 0)) / total) <= 1.01, String(id)));
});

test('dropout changes a training pass, by iteration and micro-batch, and nothing else', async (t) => {
  const model = await gpt(t, { dropout: 0.3 });
  const input = ids([1, 2, 3, 4]);
  const plain = values(model.logits(input));
  t.deepEqual(values(model.logits(input)), plain);
  t.deepEqual(values((await gpt(t)).logits(input)), plain, 'without a pass nothing is dropped');
  const dropped = values(model.logits(input, pass));
  t.notDeepEqual(dropped, plain);
  t.deepEqual(values(model.logits(input, pass)), dropped, 'the same pass drops the same');
  t.notDeepEqual(values(model.logits(input, { iteration: 1, microBatch: 0 })), dropped);
  t.notDeepEqual(values(model.logits(input, { iteration: 0, microBatch: 1 })), dropped);
  const without = await gpt(t);
  t.deepEqual(values(without.logits(input, pass)), values(without.logits(input)));
});

test('another seed gives other weights, the same seed the same', async (t) => {
  const wte = async (seed: number): Promise<Float32Array> =>
    values((await gpt(t, {}, seed)).parameters().get('transformer.wte.weight'));
  t.deepEqual(await wte(5), await wte(5));
  t.notDeepEqual(await wte(5), await wte(6));
});

test('a vocabulary smaller than the data’s is refused, a larger one is taken', async (t) => {
  const error = await t.throwsAsync(gpt(t, { vocab_size: VOCAB - 1 }));
  t.regex(error.message, /model\.vocab_size is 10, but the data has 11/);
  t.deepEqual((await gpt(t, { vocab_size: 16 })).parameters().get('transformer.wte.weight')?.shape, [16, 8]);
});

test('arithmetic of a token: the formula of a whole model; a frozen weight has no gradient, and LoRA its own products', async (t) => {
  const { n_layer: layers, n_head: heads, n_embd: embd, block_size: blockSize } = size;
  const whole = arithmeticOf({ layers, heads, embd, blockSize, batchSize: 1, vocabSize: VOCAB }) / blockSize;
  t.is((await gpt(t)).trainingFlopsPerToken(), whole);
  t.is((await gpt(t, { bias: true, dropout: 0.1 })).trainingFlopsPerToken(), whole);
  t.is((await gpt(t, { trained: 'embeddings' })).trainingFlopsPerToken(), whole - 2 * layers * 12 * embd ** 2);
  const rank = 2;
  // The matrices of rank 2 are trained, those beside them are not.
  const lora = layers * (6 * rank * (embd + 3 * embd) - 2 * 3 * embd ** 2);
  t.is((await gpt(t, { attn_lora_rank: rank })).trainingFlopsPerToken(), whole + lora);
});
