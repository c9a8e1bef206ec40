import test from 'ava';
import {
  inject,
  Optimizer,
  Plugin,
  Wrapped,
  type Bindings,
  type OptimizerState,
  type OptimizerStep,
  type PluginClass,
  type StoredTensor,
} from '../../../core/index.js';
import { testRun } from '../../../plugins/testing/contract.js';

/** Wraps the optimizer: steps matrices first, then the rest. */
@Plugin({ name: 'in-groups', summary: 'Steps groups of weights separately.', wraps: 'optimizer' })
class InGroups implements Optimizer {
  static register(bindings: Bindings): void {
    bindings.wrap(Optimizer, InGroups);
  }

  constructor(@inject(Wrapped) private readonly inner: Optimizer) {}

  get learningRate(): number {
    return this.inner.learningRate;
  }

  step(step: OptimizerStep): number {
    for (const isMatrix of [true, false]) {
      const parameters = new Map([...step.parameters].filter(([, weight]) => weight.rank > 1 === isMatrix));
      this.inner.step({ ...step, parameters });
    }
    return step.gradNorm ?? NaN;
  }

  exportState(): OptimizerState {
    return this.inner.exportState();
  }

  importState(...state: Parameters<Optimizer['importState']>): void {
    this.inner.importState(...state);
  }

  carry(...carries: Parameters<Optimizer['carry']>): void {
    this.inner.carry(...carries);
  }
}

async function lossesOf(plugins: readonly PluginClass[]): Promise<number[]> {
  await using run = await testRun({ plugins, iterations: 5, config: { lr: { warmup_iters: 0 } } });
  await run.train();
  return [...run.events.losses.values()];
}

test('weights that a custom optimizer steps in two groups train as in one', async (t) => {
  const together = await lossesOf([]);
  t.deepEqual(await lossesOf([InGroups]), together);
  t.is(new Set(together).size, 5);
});

test('a weight without optimizer state starts fresh and is reported, even if a removed weight had its shape', async (t) => {
  await using first = await testRun({ iterations: 3 });
  await first.train();
  const checkpoint = await first.checkpoints.read();
  const name = 'transformer.h.0.mlp.c_fc.weight';
  const renamed = (tensors: ReadonlyMap<string, StoredTensor>): Map<string, StoredTensor> =>
    new Map([...tensors].map(([key, tensor]) => [key.replace(name, 'gone.weight'), tensor]));

  await using made = await testRun({ iterations: 5 });
  const { run } = made;
  const { tensors, scalars } = checkpoint.optimizer;
  run.restore({ ...checkpoint, optimizer: { tensors: renamed(tensors), scalars } });
  const all = run.model.parameters().size;
  t.is(
    made.log.find(({ level, line }) => level === 'warn' && line.includes('optimizer state'))?.line,
    `optimizer state transferred ${String(all - 1)} / ${String(all)}; checkpoint ${checkpoint.path} has none that fits these, which start fresh: ${name}`,
  );
  const state = run.container.resolve(Optimizer).exportState();
  t.is(state.tensors.size, 2 * (all - 1));
  t.false([...state.tensors.keys()].some((key) => key.startsWith(name)));
  await run.train();
  t.deepEqual(run.snapshot().optimizer.scalars, { step: 5, [`${name}.step`]: 2 });
});
