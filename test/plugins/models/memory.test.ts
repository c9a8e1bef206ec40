import test, { type ExecutionContext } from 'ava';
import fc from '../../property.js';
import { composeStored } from '../../../plugins/configs/layers/compose.js';
import { UsageError } from '../../../core/errors.js';
import { loadBuiltIn } from '../../../core/families/load.js';
import { makeRun } from '../../../core/run/make.js';
import type { PlannedRun } from '../../../core/runs.js';
import { checkMemory } from '../../../plugins/models/memory/memory.js';

const GIB = 2 ** 30;
const gpt = await loadBuiltIn('gpt');

function planned(options: Record<string, unknown>, batchSize: number | undefined = 4): PlannedRun {
  const config = gpt.options.config?.parse(options);
  const composed = composeStored({ model: options }, 'c', []);
  return { plugins: [{ ...gpt, config, path: ['model'] }], composed, batchSize, numbersPerTrained: 3 };
}

const rank = fc.integer({ min: 0, max: 2 });
const shared = {
  n_layer: fc.integer({ min: 1, max: 3 }),
  width: fc.integer({ min: 1, max: 4 }),
  block_size: fc.integer({ min: 1, max: 9 }),
  n_hidden: fc.option(fc.integer({ min: 1, max: 20 })),
  attn_lora_rank: rank,
  embedding_lora_rank: rank,
};
const shapes = {
  gpt: fc.record({ ...shared, bias: fc.boolean(), rotary: fc.boolean() }),
  llama: fc.record({
    ...shared,
    n_kv_head: fc.option(fc.integer({ min: 1, max: 2 })),
    head_dim: fc.option(fc.constantFrom(2, 6)),
    tied: fc.boolean(),
    qk_norm: fc.boolean(),
    qkv_bias: fc.boolean(),
    output_bias: fc.boolean(),
    mlp_bias: fc.boolean(),
    output_lora_rank: rank,
    mlp_lora_rank: rank,
  }),
};

test('a model’s estimate counts its weights exactly', async (t) => {
  for (const [use, shape] of Object.entries(shapes)) await countsExactly(t, use, shape);
});

async function countsExactly(
  t: ExecutionContext,
  use: string,
  shape: fc.Arbitrary<{ width: number } & Record<string, unknown>>,
): Promise<void> {
  const plugin = await loadBuiltIn(use);
  await fc.assert(
    fc.asyncProperty(shape, fc.integer({ min: 1, max: 30 }), async ({ width, ...options }, vocabSize) => {
      const model = { ...options, n_embd: 4 * width, n_head: 2 };
      const set = ['engine=cpu', `model=${JSON.stringify({ use, ...model })}`];
      const { run } = await makeRun({ cwd: process.cwd(), presets: ['debug'], set, only: ['engine', 'model'] });
      await run.setUp(vocabSize);
      const counts = run.model.parameterCounts();
      const total = (key: 'total' | 'trainable'): number => counts.reduce((sum, each) => sum + each[key], 0);
      const least = plugin.class.memoryNeeded?.(plugin.options.config?.parse(model), { batchSize: 3, vocabSize });
      t.is(least?.weights, total('total'));
      t.is(least?.trained, total('trainable'));
      t.true((least?.activations ?? Infinity) <= run.model.activationBytes(3));
      await run.dispose();
    }),
    { numRuns: 15 },
  );
}

test('a run that may not fit in memory is warned about, and refused only if it cannot', (t) => {
  const options = { n_layer: 12, n_head: 12, n_embd: 768, block_size: 1024, vocab_size: 50257 };
  const warning = (memory: number, batchSize?: number): string | undefined =>
    checkMemory(planned(options, batchSize), 0, memory);
  t.is(warning(16 * GIB), undefined);
  t.regex(warning(3 * GIB) ?? '', /^the run would need 4\.\d GiB .*: it may not fit; lower model\.n_embd$/);
  t.throws(() => warning(GIB), { instanceOf: UsageError, code: 'ESP_MEMORY' });
  const message = t.throws(() => warning(16 * GIB, 1e6)).message;
  t.regex(message, /key train\.batch_size: the run would need .* a micro-batch of 1000000\), and there is 16\.0 GiB/);
});

test('more memory never refuses a run that less allows, and inference needs only the weights', (t) => {
  const refused = (options: Record<string, unknown>, memory: number, batchSize?: number): number => {
    try {
      return checkMemory(planned(options, batchSize), 65, memory) === undefined ? 0 : 1;
    } catch {
      return 2;
    }
  };
  const power = fc.integer({ min: 0, max: 40 }).map((exponent) => 2 ** exponent);
  fc.assert(
    fc.property(power, power, power, power, power, (n_layer, n_embd, block_size, batch, memory) => {
      const options = { n_layer, n_embd, n_head: 1, block_size };
      t.true(refused(options, memory * GIB, batch) >= refused(options, 2 * memory * GIB, batch));
    }),
  );
  const evaluated = planned({ n_layer: 12, n_head: 12, n_embd: 768 });
  t.is(checkMemory({ ...evaluated, batchSize: undefined }, 50257, GIB), undefined);
});
