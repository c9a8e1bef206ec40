import test, { type ExecutionContext } from 'ava';
import { EarlyGradients, Engine, RandomStreams, tf, type EvaluationEnd, type Model } from '../../../../core/index.js';
import { availableEngines } from '../../ops/engines.js';
import { engineNeed, skipped } from '../../../needs.js';
import { testRun } from '../../../../plugins/testing/contract.js';

const native = (await availableEngines()).find(({ name }) => name === 'native');
const settings = [
  'engine=native',
  'model={n_layer: 2, n_head: 2, n_embd: 16, block_size: 16, dropout: 0.1}',
  'train={max_iters: 12, batch_size: 4, gradient_accumulation_steps: 2}',
  'lr.decay_iters=12',
  'plugins.evaluation={interval: 6, iters: 5}',
];

if (native?.works !== true) {
  skipped('engine native: repeated passes:', await engineNeed('native'));
} else {
  const operations = (step: string): string => `plugins.scaling-schedule.operations=[${step}]`;
  const grows = (name: string, value: string): string =>
    `{name: ${name}, value: ${value}, trigger_loss: 100, max_wait_iters: 1, reevaluate: false}`;
  const runs: Record<string, readonly string[]> = {
    'by default': [],
    'without dropout, one micro-batch': ['model.dropout=0', 'train.gradient_accumulation_steps=1'],
    'with the activation and the biases of GPT-2': ['model.activation=gelu_tanh', 'model.bias=true'],
    'with LoRA and rotary positions': ['model.attn_lora_rank=2', 'model.embedding_lora_rank=2', 'model.rotary=true'],
    'of a llama with fewer key and value heads and query-key norm': [
      'model={use: llama, n_kv_head: 1, qk_norm: true, tied: false}',
    ],
    'of a llama with LoRA on every layer': [
      'model={use: llama, attn_lora_rank: 2, output_lora_rank: 2, mlp_lora_rank: 2, embedding_lora_rank: 2}',
    ],
    'with layers frozen, added and widened, and larger batches': [
      'plugins.evaluation={interval: 2, iters: 1}',
      operations(
        [
          grows('freeze_layer', 'mlp.0'),
          grows('change_batch_size', '2'),
          grows('stack_layers', '[0, 1, 1]'),
          grows('widen_mlp', '96'),
        ].join(', '),
      ),
    ],
  };
  for (const [name, set] of Object.entries(runs)) {
    test.serial(`engine native: a run ${name} gives the same bits with and without replayed kernels`, async (t) => {
      const repeated = await outcome(t, true, set);
      const plain = await outcome(t, false, set);
      t.deepEqual(repeated.losses, plain.losses);
      t.deepEqual(repeated.weights, plain.weights);
      t.deepEqual(repeated.evaluations, plain.evaluations);
      t.true(plain.evaluations.length > 1);
      t.true(repeated.passes < plain.passes / 2, `the model ran ${repeated.passes} of ${plain.passes} passes`);
    });
  }

  for (const [name, set] of Object.entries({
    'of one micro-batch': ['train.gradient_accumulation_steps=1'],
    'of two micro-batches': [],
    'of LoRA alone': ['model={attn_lora_rank: 2, trained: lora}', 'plugins.evaluation=false'],
  })) {
    test.serial(`engine native: early gradients ${name} are the same with and without replayed kernels`, async (t) => {
      const repeated = await outcome(t, true, set, { takesGradients: true });
      const plain = await outcome(t, false, set, { takesGradients: true });
      t.true(plain.taken.length > 12);
      t.is(repeated.alive.at(-1), repeated.alive[2], 'nothing piles up');
      t.deepEqual(repeated.taken, plain.taken);
      t.deepEqual(repeated.losses, plain.losses);
      t.deepEqual(repeated.weights, plain.weights);
      t.true(repeated.passes < plain.passes / 2, `the model ran ${repeated.passes} of ${plain.passes} passes`);
    });
  }

  test.serial('engine native: a replayed pass uses the documents of its own batch', async (t) => {
    const repeated = await outcome(t, true, [], { hasDocuments: true });
    const plain = await outcome(t, false, [], { hasDocuments: true });
    t.deepEqual(repeated.losses, plain.losses);
    t.deepEqual(repeated.weights, plain.weights);
    t.true(repeated.passes < plain.passes / 2, `the model ran ${repeated.passes} of ${plain.passes} passes`);
    t.notDeepEqual(plain.losses, (await outcome(t, false, [])).losses);
  });

  test.serial('engine native: a replayed pass reads weights that were replaced', async (t) => {
    const halved = async (repeats: boolean): Promise<number[]> =>
      (
        await outcome(t, repeats, [], {
          atEnd: (model, iteration) => {
            if (iteration % 3 !== 2) return;
            for (const weight of model.parameters().values()) tf.tidy(() => weight.assign(tf.mul(weight, 0.5)));
          },
        })
      ).losses;
    t.deepEqual(await halved(true), await halved(false));
  });
}

interface Outcome {
  readonly losses: number[];
  readonly weights: Record<string, readonly number[]>;
  readonly evaluations: EvaluationEnd['losses'][];
  /** Number of losses that the model computed. */
  readonly passes: number;
  /** Number of tensors in the backend after each iteration. */
  readonly alive: number[];
  /** Gradients received during a backward pass. */
  readonly taken: [name: string, gradient: number[]][];
}

interface Listening {
  readonly atEnd?: (model: Model, iteration: number) => void;
  readonly takesGradients?: boolean;
  /** Whether batches have documents, different each time. */
  readonly hasDocuments?: boolean;
}

async function outcome(
  t: ExecutionContext,
  repeats: boolean,
  set: readonly string[],
  { atEnd = () => undefined, takesGradients = false, hasDocuments = false }: Listening = {},
): Promise<Outcome> {
  await using made = await testRun({ config: { plugins: { checkpoint: false } }, set: [...settings, ...set] });
  const { run } = made;
  const engine = run.container.resolve(Engine);
  if (!repeats) Object.defineProperty(engine, 'record', { value: undefined });
  const taken: Outcome['taken'] = [];
  if (takesGradients) {
    run.container.registerInstance<EarlyGradients>(EarlyGradients, {
      wanted: true,
      take: (name, gradient) => void taken.push([name, [...gradient.dataSync()]]),
    });
  }
  if (hasDocuments) {
    run.on('batch:ready', (drawn) => {
      const random = new RandomStreams(4).at('documents', drawn.iteration, drawn.microBatch);
      const documents = drawn.batch.inputs.map(() => random.below(2));
      drawn.batch = { ...drawn.batch, documents };
    });
  }
  const losses: number[] = [];
  const alive: number[] = [];
  run.bus.on('iteration:end', ({ loss, iteration }) => {
    losses.push(loss);
    alive.push(tf.backend().numDataIds());
    atEnd(run.model, iteration);
  });
  const evaluations: EvaluationEnd['losses'][] = [];
  run.bus.on('evaluation:end', (end) => evaluations.push(end.losses));
  let passes = 0;
  const loss = run.model.loss.bind(run.model);
  Object.defineProperty(run.model, 'loss', {
    value: (...args: Parameters<Model['loss']>) => {
      passes++;
      return loss(...args);
    },
  });
  t.is((await run.train()).status, 'done');
  const weights = [...run.model.parameters()].map(([name, weight]) => [name, [...weight.dataSync()]] as const);
  return { losses, weights: Object.fromEntries(weights), evaluations, passes, alive, taken };
}
