import test, { type ExecutionContext } from 'ava';
import { RandomStreams, tf, type Model } from '../../../core/index.js';
import { decoder, decoderRun, ids, values, VOCAB } from './decoders.js';

/** Each test holds for every decoder. */
const size = { n_layer: 2, n_head: 2, n_embd: 8, block_size: 6 };
const decoders = {
  gpt: {
    table: 'transformer.wte.weight',
    residual: /\.c_proj\.weight$/,
    biases: { bias: true },
    placed: {
      'learned positions that are all the same': {},
      'rotary positions': { rotary: true },
    },
  },
  llama: {
    table: 'model.embed_tokens.weight',
    residual: /\.(?:o|down)_proj\.weight$/,
    biases: { qkv_bias: true, output_bias: true, mlp_bias: true },
    placed: { 'rotary positions, and fewer heads of keys and values': { n_kv_head: 1, qk_norm: true } },
  },
};
const pass = { iteration: 0, microBatch: 0 };
const isNorm = (name: string): boolean => /ln_|norm/.test(name);

const byName = (model: Model): Map<string, Float32Array> =>
  new Map([...model.parameters()].map(([name, weight]) => [name, values(weight)]));

const packed = { ids: [1, 2, 3, 4, 5, 6], targets: [2, 7, 4, 5, 8, 9], documents: [4, 4, 9, 9, 9, 4] };

for (const [name, { table, residual, biases, placed }] of Object.entries(decoders)) {
  const made = (t: ExecutionContext, options: Record<string, unknown> = {}, seed = 1): Promise<Model> =>
    decoder(t, { use: name, ...size, ...options }, seed);

  test(`${name}: loaded weights are not drawn; the others start as in a new model, and later draws are unchanged`, async (t) => {
    const lora = { attn_lora_rank: 2 };
    const fresh = await made(t, lora);
    const plain = byName(await made(t, {}, 2));
    const run = await decoderRun(t, { use: name, ...size, ...lora }, { loads: true });
    t.true(values(run.model.parameters().get(table)).every((value) => value === 0));
    const shapes = run.model.parameters();
    run.loadWeights({
      path: 'plain',
      weights: new Map(
        [...plain].map(([name, stored]) => [name, { shape: shapes.get(name)?.shape ?? [], values: stored }]),
      ),
    });
    const expected = byName(fresh);
    t.true([...expected.keys()].some((weight) => weight.includes('lora_A')));
    for (const [weight, loaded] of byName(run.model))
      t.deepEqual(loaded, plain.get(weight) ?? expected.get(weight), weight);
    const random = run.container.resolve(RandomStreams).state();
    t.true((random['init'] ?? 0) > 0 && (random['init/lora'] ?? 0) > 0, 'streams stand where drawing leaves them');
  });

  test(`${name}: initial weights are the streams’ numbers, one by one`, async (t) => {
    const [model, stream] = [await made(t, biases, 3), new RandomStreams(3).stream('init')];
    for (const [weight, variable] of model.parameters()) {
      if (weight.endsWith('.bias') || isNorm(weight)) continue;
      const scale = residual.test(weight) ? 0.02 / Math.sqrt(2 * size.n_layer) : 0.02;
      t.deepEqual(
        values(variable),
        Float32Array.from({ length: variable.size }, () => scale * stream.normal()),
        weight,
      );
    }
  });

  test(`${name}: the loss of a new model is near ln(vocabulary)`, async (t) => {
    const model = await made(t);
    const loss = model.loss(ids([0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 0]), ids([1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 0, 1]));
    t.true(Math.abs((loss.dataSync()[0] ?? NaN) - Math.log(VOCAB)) < 0.05);
  });

  test(`${name}: a position attends only to itself and earlier ones`, async (t) => {
    const model = await made(t);
    const one = values(model.logits(ids([1, 2, 3, 4, 5, 6])));
    const other = values(model.logits(ids([1, 2, 3, 9, 5, 6])));
    t.deepEqual(one.slice(0, 3 * VOCAB), other.slice(0, 3 * VOCAB));
    for (let at = 3; at < 6; at++) {
      t.notDeepEqual(one.slice(at * VOCAB, (at + 1) * VOCAB), other.slice(at * VOCAB, (at + 1) * VOCAB));
    }
  });

  for (const [what, options] of Object.entries(placed)) {
    test(`${name}: with ${what}, documents packed in a row give the same logits as alone`, async (t) => {
      const model = await made(t, options);
      for (const [weight, variable] of model.parameters()) {
        if (!isNorm(weight)) variable.assign(tf.mul(variable, 10));
        if (weight.endsWith('wpe.weight')) variable.assign(tf.fill(variable.shape, 0.1));
      }
      const whole = (): tf.Scalar =>
        model.loss(ids(packed.ids), ids(packed.targets), undefined, { documents: ids(packed.documents) });
      const each = (): tf.Scalar => {
        const losses = [[0, 2] as const, [2, 5] as const, [5, 6] as const].map(([from, to]) =>
          tf.mul<tf.Scalar>(
            model.loss(ids(packed.ids.slice(from, to)), ids(packed.targets.slice(from, to))),
            to - from,
          ),
        );
        return tf.div(tf.addN(losses), packed.ids.length);
      };
      // Learned positions depend on where a document starts.
      const weights = [...model.parameters()]
        .filter(([weight]) => !weight.endsWith('wpe.weight'))
        .map(([, variable]) => variable);
      const [found, expected] = [tf.variableGrads(whole, weights), tf.variableGrads(each, weights)];
      assertNear(t, values(found.value), values(expected.value), 'loss');
      for (const { name: id } of weights) assertNear(t, values(found.grads[id]), values(expected.grads[id]), id);
      const without = model.loss(ids(packed.ids), ids(packed.targets));
      t.true(
        Math.abs(values(without)[0]! - values(expected.value)[0]!) > 1e-3,
        'without documents they see each other',
      );
    });
  }

  test(`${name}: forward returns the logits and the head’s input`, async (t) => {
    const model = await made(t, { dropout: 0.3 });
    const tokens = { documents: ids(packed.documents) };
    const forward = model.forward?.(ids(packed.ids), pass, tokens);
    t.deepEqual(values(forward?.logits), values(model.logits(ids(packed.ids), pass, tokens)));
    const rows = model.parameters().get(table);
    if (forward === undefined || rows === undefined) return t.fail('it has no forward');
    const hidden = tf.reshape(forward.hidden, [packed.ids.length, size.n_embd]);
    assertNear(t, values(tf.matMul(hidden, rows, false, true)), values(forward.logits), 'logits');
  });

  test(`${name}: top-k 1 and temperature 0 always choose the likeliest token`, async (t) => {
    const model = await made(t);
    // Initial weights give logits of about 0; larger ones make the choice meaningful.
    for (const [weight, variable] of model.parameters()) if (!isNorm(weight)) variable.assign(tf.mul(variable, 20));
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

  test(`${name}: every token is drawn as often as its probability`, async (t) => {
    const model = await made(t);
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
    // With evenly spaced numbers, rounding changes at most one draw at each end of a token's share.
    drawn.forEach((hits, id) => t.true(Math.abs(hits - (draws * (exps[id] ?? 0)) / total) <= 1.01, String(id)));
  });

  test(`${name}: dropout changes only training passes, by iteration and micro-batch`, async (t) => {
    const model = await made(t, { dropout: 0.3 });
    const input = ids([1, 2, 3, 4]);
    const plain = values(model.logits(input));
    t.deepEqual(values(model.logits(input)), plain);
    t.deepEqual(values((await made(t)).logits(input)), plain, 'without a pass nothing is dropped');
    const dropped = values(model.logits(input, pass));
    t.notDeepEqual(dropped, plain);
    t.deepEqual(values(model.logits(input, pass)), dropped, 'the same pass drops the same');
    t.notDeepEqual(values(model.logits(input, { iteration: 1, microBatch: 0 })), dropped);
    t.notDeepEqual(values(model.logits(input, { iteration: 0, microBatch: 1 })), dropped);
    const without = await made(t);
    t.deepEqual(values(without.logits(input, pass)), values(without.logits(input)));
  });

  test(`${name}: equal seeds give equal weights, and another seed others`, async (t) => {
    const wte = async (seed: number): Promise<Float32Array> =>
      values((await made(t, {}, seed)).parameters().get(table));
    t.deepEqual(await wte(5), await wte(5));
    t.notDeepEqual(await wte(5), await wte(6));
  });

  test(`${name}: a vocabulary smaller than the data’s is refused, a larger one is accepted`, async (t) => {
    const error = await t.throwsAsync(made(t, { vocab_size: VOCAB - 1 }));
    t.regex(error.message, /model\.vocab_size is 10, but the data has 11/);
    t.deepEqual((await made(t, { vocab_size: 16 })).parameters().get(table)?.shape, [16, 8]);
  });
}

function assertNear(t: ExecutionContext, found: Float32Array, expected: Float32Array, what: string): void {
  t.is(found.length, expected.length, what);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
  t.true(
    found.every((value, i) => Math.abs(value - expected[i]!) <= 1e-5 * largest),
    what,
  );
}
