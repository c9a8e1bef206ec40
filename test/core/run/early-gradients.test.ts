import test from 'ava';
import { EarlyGradients, type SlotSettings } from '../../../core/index.js';
import { testRun } from '../../../plugins/testing/contract.js';

interface Seen {
  /** Per iteration: the gradients received during the backward pass, and those of `gradients:ready`. */
  readonly early: [string, Float32Array][][];
  readonly ready: [string, Float32Array][][];
  readonly losses: number[];
}

/** Three iterations of two micro-batches each. */
async function seenBy({ wanted }: { wanted: boolean }, model: SlotSettings = { n_layer: 2 }): Promise<Seen> {
  const config = { model, train: { gradient_accumulation_steps: 2 } };
  await using made = await testRun({ iterations: 3, config });
  const { run } = made;
  const taken: [string, Float32Array][] = [];
  run.container.registerInstance<EarlyGradients>(EarlyGradients, {
    wanted,
    take: (name, gradient) => void taken.push([name, gradient.dataSync<'float32'>().slice()]),
  });
  const seen: Seen = { early: [], ready: [], losses: [] };
  run.bus.listen({ plugin: 'test', event: 'gradients:ready', critical: true }, ({ gradients }) => {
    seen.early.push(taken.splice(0));
    seen.ready.push([...gradients].map(([name, gradient]) => [name, gradient.dataSync<'float32'>().slice()]));
  });
  run.bus.listen({ plugin: 'test', event: 'iteration:end', critical: true }, ({ loss }) => void seen.losses.push(loss));
  await run.train();
  return seen;
}

test('every gradient of a GPT is delivered during the backward pass, the last layer’s first; the run is unchanged', async (t) => {
  const plain = await seenBy({ wanted: false });
  t.deepEqual(plain.early, [[], [], []]);
  const { early, ready, losses } = await seenBy({ wanted: true });
  t.deepEqual([losses, ready], [plain.losses, plain.ready]);
  t.is(early.length, 3);
  for (const [iteration, taken] of early.entries()) {
    t.is(taken.length, ready[iteration]?.length ?? 0);
    t.deepEqual(Object.fromEntries(taken), Object.fromEntries(ready[iteration] ?? []));
    const names = taken.map(([name]) => name);
    t.deepEqual([names[0], names.at(-1)], ['transformer.ln_f.weight', 'transformer.wte.weight']);
    const layers = names.flatMap((name) => /h\.(\d)/.exec(name)?.[1] ?? []).map(Number);
    t.deepEqual(
      layers,
      layers.toSorted((a, b) => b - a),
    );
  }
});

test('gradients of LoRA are delivered, those of untrained weights are not', async (t) => {
  const lora = { n_layer: 2, attn_lora_rank: 2, embedding_lora_rank: 2, trained: 'lora' };
  const plain = await seenBy({ wanted: false }, lora);
  const { early, ready, losses } = await seenBy({ wanted: true }, lora);
  t.deepEqual([losses, ready], [plain.losses, plain.ready]);
  t.is(early.length, 3);
  for (const [iteration, taken] of early.entries()) {
    t.deepEqual(Object.fromEntries(taken), Object.fromEntries(ready[iteration] ?? []));
    t.true(taken.every(([name]) => name.includes('lora_')));
  }
});
