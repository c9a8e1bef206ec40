import test from 'ava';
import {
  EarlyGradients,
  inject,
  injectable,
  Plugin,
  RandomStreams,
  tf,
  type Batch,
  type BatchReady,
  type Bindings,
  type PluginClass,
} from '../../../core/index.js';
import { type LossTerm, LossTerms, type TermPass } from '../../../plugins/losses/contract.js';
import { testRun, type TestRun } from '../../../plugins/testing/contract.js';
import { engineNeed, needing } from '../../needs.js';

interface TermOptions {
  readonly weight?: () => number;
  readonly varies?: boolean;
  readonly name?: string;
  readonly metric?: string;
  readonly compute?: (pass: TermPass) => tf.Scalar;
  readonly plugin?: string;
}

/** Reads hidden states, logits and losses. */
function usual(pass: TermPass): tf.Scalar {
  const hidden = tf.mean(tf.square(pass.hidden()), -1);
  const most = tf.max(pass.logits, -1);
  return pass.mean(tf.add(tf.add(hidden, tf.mul(most, pass.losses())), tf.square(pass.logSumExp())));
}

/** Returns a plugin with one term, and counts how often it was computed. */
function termPlugin(options: TermOptions = {}): { readonly plugin: PluginClass; readonly calls: () => number } {
  const { weight = () => 0.1, varies = false, name = 'mine', metric = 'train/mine', compute = usual } = options;
  let calls = 0;

  @injectable()
  class Term implements LossTerm {
    readonly name = name;
    readonly metric = metric;
    readonly varies = varies;

    get weight(): number {
      return weight();
    }

    compute(pass: TermPass): tf.Scalar {
      calls++;
      return compute(pass);
    }
  }

  @Plugin({
    name: options.plugin ?? 'mine',
    summary: 'A term.',
    metrics: { 'train/mine': { unit: '', what: 'of mine' } },
  })
  class Mine {
    static register(bindings: Bindings): void {
      bindings.add(LossTerms, Term);
    }

    constructor(@inject(LossTerms) readonly terms: readonly LossTerm[]) {}
  }
  return { plugin: Mine, calls: () => calls };
}

/** Three iterations of two micro-batches, with dropout. */
async function trained(plugin: PluginClass | undefined, engine = 'auto', withExtras = false): Promise<TestRun> {
  const config = { engine, train: { gradient_accumulation_steps: 2 }, plugins: { evaluation: false } };
  const made = await testRun({ iterations: 4, config, plugins: plugin === undefined ? [] : [plugin] });
  made.run.on('batch:ready', (drawn) => {
    if (withExtras) drawn.batch = { ...drawn.batch, ...extrasOf(drawn) };
  });
  await made.train();
  return made;
}

/** Different in each batch. */
function extrasOf({ iteration, microBatch, batch: { targets } }: BatchReady): Pick<Batch, 'weights' | 'documents'> {
  const random = new RandomStreams(4).at('extras', iteration, microBatch);
  const cut = random.below(8);
  return {
    weights: Float32Array.from(targets, () => random.float()),
    documents: Int32Array.from(targets, (_, at) => Number(at % 8 > cut)),
  };
}

needing(await engineNeed('native')).serial(
  'a pass with a term, weights and documents is replayed, even if the term’s weight changes, and gives the same bits',
  async (t) => {
    let reads = 0;
    const weight = (): number => 0.1 / (1 + (reads++ % 4));
    const repeated = termPlugin({ weight });
    await using made = await trained(repeated.plugin, 'native', true);
    reads = 0;
    const run = termPlugin({ weight, varies: true });
    await using plain = await trained(run.plugin, 'native', true);
    t.deepEqual([repeated.calls(), run.calls()], [1, 8]);
    t.deepEqual(made.weights(), plain.weights());
    t.deepEqual(
      made.events.of('iteration:end').map(({ loss, terms, gradNorm }) => [loss, terms, gradNorm]),
      plain.events.of('iteration:end').map(({ loss, terms, gradNorm }) => [loss, terms, gradNorm]),
    );
  },
);

test.serial('the loss stays cross-entropy, and a term of weight 0 is left out', async (t) => {
  await using without = await trained(undefined);
  const none = termPlugin({ weight: () => 0 });
  await using off = await trained(none.plugin);
  t.deepEqual(off.weights(), without.weights());
  t.is(none.calls(), 0);
  await using on = await trained(termPlugin().plugin);
  const [first, expected] = [on, without].map((run) => run.events.of('iteration:end')[0]);
  t.true(Math.abs((first?.loss ?? NaN) - (expected?.loss ?? NaN)) < 1e-5);
  t.not(first?.gradNorm, expected?.gradNorm);
  t.deepEqual([Object.keys(first?.terms ?? {}), expected?.terms], [['mine'], {}]);
});

test.serial('with loss terms too, gradients are delivered early and unchanged', async (t) => {
  const seen = async (
    wanted: boolean,
  ): Promise<{ early: Map<string, Float32Array>; ready: Map<string, Float32Array> }> => {
    await using made = await testRun({ iterations: 2, plugins: [termPlugin().plugin] });
    const taken = { early: new Map<string, Float32Array>(), ready: new Map<string, Float32Array>() };
    made.run.container.registerInstance<EarlyGradients>(EarlyGradients, {
      wanted,
      take: (name, gradient) => void taken.early.set(name, gradient.dataSync<'float32'>().slice()),
    });
    made.run.on('gradients:ready', ({ gradients }) => {
      for (const [name, each] of gradients) taken.ready.set(name, each.dataSync<'float32'>().slice());
    });
    await made.train();
    return taken;
  };
  const [plain, watched] = [await seen(false), await seen(true)];
  t.is(plain.early.size, 0);
  t.deepEqual(watched.ready, plain.ready);
  t.deepEqual(Object.fromEntries(watched.early), Object.fromEntries(plain.ready));
});

test('invalid loss terms are refused before training', async (t) => {
  const code = 'ESP_LOSS_TERM';
  const [one, two] = [termPlugin(), termPlugin({ plugin: 'other' })];
  await t.throwsAsync(testRun({ plugins: [one.plugin, two.plugin] }), {
    code,
    message: /plugin other and .*plugin mine both add a loss term named "mine"; rename one/,
  });
  await t.throwsAsync(testRun({ plugins: [termPlugin({ metric: 'train/mien' }).plugin] }), {
    code,
    message: /plugin mine adds the loss term "mine" with the metric "train\/mien", which no plugin declares/,
  });
});

for (const [what, options, message] of [
  ['a weight that is not finite', { weight: () => NaN }, /"mine" of plugin mine has the weight NaN; it must be finite/],
  [
    'a field that is not there',
    { compute: (pass: TermPass) => pass.mean(pass.field('teacher')) },
    /"mine" needs the field "teacher" of the batch, which has none/,
  ],
  [
    'more than a number',
    // Mistakes that a plugin in JavaScript may make.
    { compute: (pass: TermPass) => tf.reshape<tf.Rank.R0>(pass.losses(), [-1]) },
    /"mine" is a tensor \[16\]: return what `pass.mean` gives/,
  ],
] as const) {
  test(`${what} ends the run with the term's name`, async (t) => {
    await using made = await testRun({
      plugins: [termPlugin(options).plugin],
      config: { plugins: { evaluation: false } },
    });
    await t.throwsAsync(made.train(), { code: 'ESP_LOSS_TERM', message });
  });
}
