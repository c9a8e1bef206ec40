import test, { type ExecutionContext } from 'ava';
import fc from '../../property.js';
import { Optimizer, RandomStreams, UsageError, tf } from '../../../core/index.js';
import { makeRun } from '../../../core/run/make.js';
import type { Run } from '../../../core/run/run.js';
import { trainableParameters } from '../../../core/run/step.js';
import { Growable, type GrowthStep, ModelGrowth } from '../../../plugins/growth/contract.js';
import { emptyFolder } from '../../e2e/command.js';

const VOCABULARY = 11;
const TOLERANCE = 1e-5;

/** A random model, after two steps of training, so that no weight is what it started as. */
async function model(t: ExecutionContext, seed: number, settings: Record<string, unknown> = {}): Promise<Run> {
  const own = settings['use'] === 'llama' ? { n_kv_head: 1 + (seed % 2) } : { bias: seed % 2 === 0 };
  const shape = { n_layer: 3, n_head: 2, n_embd: 8, block_size: 6, n_hidden: 10, ...own, ...settings };
  const { run } = await makeRun({
    cwd: emptyFolder(t),
    set: ['engine=cpu', `seed=${seed}`, `model=${JSON.stringify(shape)}`, 'data.text=none'],
    only: ['engine', 'model', 'optimizer', 'lr'],
  });
  t.teardown(() => run.dispose());
  await run.setUp(VOCABULARY);
  const random = new RandomStreams(seed).at('noise', 0);
  for (const variable of run.model.parameters().values()) {
    const values = Float32Array.from({ length: variable.size }, () => 0.3 * random.normal());
    tf.tidy(() => variable.assign(tf.add(variable, tf.tensor(values, variable.shape))));
  }
  for (let i = 0; i < 2; i++) step(run, seed + i);
  return run;
}

function batch(seed: number): [tf.Tensor2D, tf.Tensor2D] {
  const random = new RandomStreams(seed).at('batch', 0);
  const ids = (): tf.Tensor2D =>
    tf.tensor2d(
      Array.from({ length: 12 }, () => random.below(VOCABULARY)),
      [2, 6],
      'int32',
    );
  return [ids(), ids()];
}

function step(run: Run, seed: number): void {
  tf.tidy(() => {
    const parameters = trainableParameters(run.model);
    const { grads } = tf.variableGrads(() => run.model.loss(...batch(seed)), [...parameters.values()]);
    const gradients = new Map(
      [...parameters].map(([name, variable]) => [name, grads[variable.name] ?? tf.zerosLike(variable)]),
    );
    run.container.resolve(Optimizer).step({ parameters, gradients, learningRate: 1e-2, gradClip: 0 });
  });
}

function logits(run: Run): Float32Array {
  return tf.tidy(() => Float32Array.from(run.model.logits(batch(99)[0]).dataSync()));
}

function grow(run: Run, ...steps: GrowthStep[]): void {
  for (const each of steps) run.container.resolve(ModelGrowth).apply(each);
}

function apart(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] ?? NaN))), 0);
}

const preserving: Record<string, readonly GrowthStep[]> = {
  'widen_mlp without noise': [{ kind: 'widen_mlp', hidden: 23, noise: 0 }],
  'stack_layers with the identity': [{ kind: 'stack_layers', layers: [0, 1, 2] }],
  set_attn_lora_rank: [{ kind: 'set_lora_rank', layer: 'attn', rank: 3 }],
  set_embedding_lora_rank: [{ kind: 'set_lora_rank', layer: 'wte', rank: 2 }],
  set_layer_lora_rank: [{ kind: 'set_lora_rank', layer: 'attn.1', rank: 4 }],
  freezing: [
    { kind: 'freeze', layer: 'mlp.0', frozen: true },
    { kind: 'embeddings_only', on: true },
  ],
};

/** Options of a decoder, by a seed. */
type Options = (seed: number) => Record<string, unknown>;
const decoders: Record<string, { options: Options; preserving: Record<string, readonly GrowthStep[]> }> = {
  gpt: { options: (seed) => ({ rotary: seed % 3 === 0 }), preserving },
  llama: {
    options: (seed) => ({
      ...{ use: 'llama', tied: seed % 3 !== 0, qk_norm: seed % 5 === 0, mlp_bias: seed % 7 === 0 },
      mlp_lora_rank: seed % 4,
    }),
    preserving: {
      ...preserving,
      'LoRA on the attention’s output and a block’s MLP': [
        { kind: 'set_lora_rank', layer: 'output', rank: 3 },
        { kind: 'set_lora_rank', layer: 'mlp.2', rank: 5 },
      ],
      'stacking, widening and merging LoRA': [
        { kind: 'set_lora_rank', layer: 'mlp', rank: 2 },
        { kind: 'stack_layers', layers: [0, 1, 2] },
        { kind: 'widen_mlp', hidden: 17, noise: 0 },
        { kind: 'merge_lora' },
      ],
    },
  },
};

for (const [decoder, { options, preserving: ofDecoder }] of Object.entries(decoders)) {
  for (const [name, steps] of Object.entries(ofDecoder)) {
    test(`${decoder}: ${name} leaves the logits unchanged, and training continues`, async (t) => {
      await fc.assert(
        fc.asyncProperty(fc.nat(1000), async (seed) => {
          const run = await model(t, seed, options(seed));
          const before = logits(run);
          grow(run, ...steps);
          t.true(apart(logits(run), before) < TOLERANCE);
          step(run, seed);
          t.true(apart(logits(run), before) > TOLERANCE, 'it still learns');
        }),
        { numRuns: 6 },
      );
    });
  }
}

test('merging trained LoRA keeps the logits and sets B to zero, and a new rank starts from there', async (t) => {
  const run = await model(t, 4, { attn_lora_rank: 2, embedding_lora_rank: 3, lora_alpha: 2 });
  const before = logits(run);
  for (const next of [
    { kind: 'merge_lora' },
    { kind: 'set_lora_rank', layer: 'attn', rank: 5 },
    { kind: 'set_lora_rank', layer: 'wte', rank: 0 },
  ] satisfies GrowthStep[]) {
    step(run, 1);
    const learned = logits(run);
    grow(run, next);
    t.true(apart(logits(run), learned) < TOLERANCE, next.kind);
  }
  t.true(apart(logits(run), before) > TOLERANCE);
  const names = [...run.model.parameters().keys()];
  t.is(run.model.parameters().get('transformer.h.2.attn.c_attn.lora_B')?.shape[0], 5);
  t.false(names.includes('transformer.wte.lora_A'));
  t.true(run.model.parameters().get('transformer.wte.weight')?.trainable);
  t.false(run.model.parameters().get('transformer.h.0.attn.c_attn.weight')?.trainable);
});

for (const [what, options] of Object.entries({
  'tied weights and all': {},
  'those of a llama': { use: 'llama' },
  'with a head of its own': { use: 'llama', tied: false },
})) {
  test(`resize_vocabulary leaves the logits of old tokens as they were, ${what}`, async (t) => {
    const run = await model(t, 6, { embedding_lora_rank: 2, ...options });
    const before = tf.tidy(() => run.model.logits(batch(99)[0]).arraySync());
    const rows = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10];
    grow(run, { kind: 'resize_vocabulary', rows, kept: rows.map((row, id) => row === id), noise: 0.02 });
    t.is(run.model.vocabSize, 13);
    const after = tf.tidy(() => run.model.logits(batch(99)[0]).arraySync());
    before.forEach((rowsOf, i) => {
      rowsOf.forEach((of, j) => t.true(apart(of, after[i]?.[j]?.slice(0, VOCABULARY) ?? []) < TOLERANCE));
    });
    t.true(apart([after[0]?.[0]?.[10] ?? 0], [after[0]?.[0]?.[11] ?? 0]) > 1e-6, 'new rows have noise');
  });
}

test('optimizer moments follow their weights into the grown model', async (t) => {
  const run = await model(t, 8);
  const gradients = (): Map<string, Float32Array> => {
    const found = new Map<string, Float32Array>();
    tf.tidy(() => {
      const parameters = trainableParameters(run.model);
      const { grads } = tf.variableGrads(() => run.model.loss(...batch(3)), [...parameters.values()]);
      for (const [name, { name: id }] of parameters) found.set(name, Float32Array.from(grads[id]?.dataSync() ?? []));
    });
    return found;
  };
  const moment = (name: string, kind: string): Float32Array =>
    Float32Array.from(run.container.resolve(Optimizer).exportState().tensors.get(`${name}.${kind}`)?.dataSync() ?? []);
  const names = ['transformer.h.1.mlp.c_fc.weight', 'transformer.h.1.mlp.c_proj.weight'];
  const old = names.map((name) => ({
    g: gradients().get(name) ?? [],
    m: moment(name, 'exp_avg'),
    v: moment(name, 'exp_avg_sq'),
  }));
  grow(run, { kind: 'widen_mlp', hidden: 21, noise: 0 });
  names.forEach((name, which) => {
    const [g, m, v] = [
      gradients().get(name) ?? new Float32Array(),
      moment(name, 'exp_avg'),
      moment(name, 'exp_avg_sq'),
    ];
    t.is(m.length, 8 * 21);
    // The first ten units are the old ones: their gradients, and with them their moments, are a share of what they were.
    for (let unit = 0; unit < 10; unit++) {
      for (let i = 0; i < 8; i++) {
        const [to, from] = which === 0 ? [i * 21 + unit, i * 10 + unit] : [unit * 8 + i, unit * 8 + i];
        const share = (g[to] ?? 0) / (old[which]?.g[from] ?? NaN);
        t.true(Math.abs((m[to] ?? 0) - share * (old[which]?.m[from] ?? NaN)) < 1e-5);
        t.true(Math.abs((v[to] ?? 0) - share * share * (old[which]?.v[from] ?? NaN)) < 1e-5);
      }
    }
  });
});

test('frozen weights do not change, and have neither gradient nor optimizer state', async (t) => {
  const run = await model(t, 10);
  const of = (name: string): Float32Array => Float32Array.from(run.model.parameters().get(name)?.dataSync() ?? []);
  grow(run, { kind: 'freeze', layer: 'mlp.1', frozen: true }, { kind: 'freeze', layer: 'lm_head', frozen: true });
  const frozen = ['transformer.h.1.mlp.c_fc.weight', 'transformer.wte.weight'];
  const before = frozen.map(of);
  step(run, 1);
  frozen.forEach((name, i) => t.deepEqual(of(name), before[i]));
  const kept = [...run.container.resolve(Optimizer).exportState().tensors.keys()];
  t.false(kept.some((name) => frozen.some((weight) => name.startsWith(weight))));
  grow(run, { kind: 'freeze', layer: 'mlp.1', frozen: false });
  step(run, 2);
  t.notDeepEqual(of('transformer.h.1.mlp.c_fc.weight'), before[0]);
});

test('stacked layers are copies with the moments of their source; an impossible step changes nothing', async (t) => {
  const run = await model(t, 12);
  const moments = run.container.resolve(Optimizer).exportState().tensors;
  const source = Float32Array.from(moments.get('transformer.h.2.ln_1.weight.exp_avg')?.dataSync() ?? []);
  grow(run, { kind: 'stack_layers', layers: [0, 2, 2, 1] });
  const now = run.container.resolve(Optimizer).exportState().tensors;
  t.deepEqual(Float32Array.from(now.get('transformer.h.1.ln_1.weight.exp_avg')?.dataSync() ?? []), source);
  t.is(run.model.description['n_layer'] as number, 4);
  const before = logits(run);
  const impossible: [GrowthStep, RegExp][] = [
    [{ kind: 'stack_layers', layers: [0, 4] }, /no layer 4 there: the model has 0 to 3/],
    [{ kind: 'widen_mlp', hidden: 10, noise: 0 }, /is 10 wide there/],
    [{ kind: 'set_lora_rank', layer: 'mlp.0', rank: 1 }, /can have no LoRA/],
    [{ kind: 'set_lora_rank', layer: 'attn', rank: 9 }, /rank 9 is over the width, 8/],
    [{ kind: 'merge_lora' }, /no layer has LoRA/],
    [{ kind: 'freeze', layer: 'attn.7', frozen: true }, /there is no layer "attn\.7"/],
  ];
  for (const [wrong, message] of impossible) t.throws(() => grow(run, wrong), { instanceOf: UsageError, message });
  t.deepEqual(logits(run), before);
});

test('the parameter counts of a planned shape equal those of the grown model', async (t) => {
  const run = await model(t, 14, { attn_lora_rank: 2 });
  const growable = run.container.resolve(Growable);
  let planned = growable.initialArchitecture(VOCABULARY);
  for (const each of [
    { kind: 'stack_layers', layers: [0, 1, 2, 2] },
    { kind: 'widen_mlp', hidden: 16, noise: 1e-4 },
    { kind: 'freeze', layer: 'ln_f', frozen: true },
    { kind: 'merge_lora' },
  ] satisfies GrowthStep[]) {
    planned = growable.planned(planned, each);
    grow(run, each);
    const counts = run.model.parameterCounts();
    const { parameters, trainable } = growable.facts(planned);
    t.is(
      parameters,
      counts.reduce((sum, { total }) => sum + total, 0),
    );
    t.is(
      trainable,
      counts.reduce((sum, { trainable: trained }) => sum + trained, 0),
    );
  }
});

test('layers of a llama have a gpt’s names; a separate head is frozen separately', async (t) => {
  const run = await model(t, 16, { use: 'llama', tied: false });
  const frozen = (): string[] =>
    [...run.model.parameters()].filter(([, { trainable }]) => !trainable).map(([name]) => name);
  grow(run, { kind: 'freeze', layer: 'lm_head', frozen: true }, { kind: 'freeze', layer: 'ln_2.1', frozen: true });
  t.deepEqual(frozen(), ['model.layers.1.post_attention_layernorm.weight', 'lm_head.weight']);
  grow(run, { kind: 'set_lora_rank', layer: 'output.0', rank: 2 });
  t.true(frozen().includes('model.layers.0.self_attn.o_proj.weight'));
  t.throws(() => grow(run, { kind: 'freeze', layer: 'wpe', frozen: true }), {
    message: /there is no layer "wpe" there: it has wte, ln_f, lm_head, and ln_1\.N, attn\.N, ln_2\.N, mlp\.N/,
  });
  grow(run, { kind: 'embeddings_only', on: true });
  const trained = [...trainableParameters(run.model).keys()];
  t.deepEqual(trained, ['model.embed_tokens.weight'], 'the head is frozen');
});
