import test from 'ava';
import { EventBus, inject, On, Plugin, tf, type IterationEnd } from '../../../core/index.js';
import {
  assertDeclaredMetrics,
  assertNoLeaks,
  assertResumes,
  assertRollsBack,
  assertTwoRanks,
} from '../../../plugins/testing/contract.js';

/** A plugin without mistakes. */
@Plugin({ name: 'average', summary: 'averages losses', metrics: { 'loss/average': { unit: 'nats', what: 'mean' } } })
class Average {
  protected sum = 0;
  protected count = 0;

  constructor(@inject(EventBus) private readonly bus: EventBus) {}

  @On('iteration:end')
  async add({ iteration, loss }: IterationEnd): Promise<void> {
    this.sum += loss;
    this.count++;
    await this.bus.dispatch('metrics', { iteration, values: { 'loss/average': this.sum / this.count } });
  }

  state(): unknown {
    return { sum: this.sum, count: this.count };
  }

  restore(state: unknown): void {
    const { sum, count } = (state ?? { sum: 0, count: 0 }) as { sum: number; count: number };
    this.sum = sum;
    this.count = count;
  }
}

@Plugin({ name: 'forgets', summary: 'forgets what it counted' })
class Forgets extends Average {
  override restore(): void {
    this.sum = 0;
  }
}

@Plugin({ name: 'leaks', summary: 'keeps a tensor of each iteration' })
class Leaks {
  readonly kept: tf.Tensor[] = [];

  @On('iteration:end')
  keep({ loss }: IterationEnd): void {
    this.kept.push(tf.scalar(loss));
  }

  dispose(): void {
    tf.dispose(this.kept);
  }
}

@Plugin({ name: 'drifts', summary: 'changes weights by what this rank alone knows' })
class Drifts {
  @On('batch:ready')
  change({ batch }: { batch: { targets: Int32Array; inputs: Int32Array } }): void {
    if (batch.inputs.length === 16) batch.targets.fill(batch.inputs[0] ?? 0);
  }
}

test.serial('assertResumes passes if a plugin restores its state, and names one that does not', async (t) => {
  await t.notThrowsAsync(assertResumes({ plugins: [Average] }));
  await t.notThrowsAsync(assertRollsBack({ plugins: [Average] }));
  await t.throwsAsync(assertResumes({ plugins: [Forgets] }), {
    code: 'ERR_ASSERTION',
    message: /^stopped at [\w:-]+ and resumed: metric loss\/average of iteration \d is [\d.]+, not [\d.]+/,
  });
  await t.throwsAsync(assertRollsBack({ plugins: [Forgets] }), {
    code: 'ERR_ASSERTION',
    message: /^after a rollback at iteration 5: metric loss\/average of iteration \d is [\d.]+, not [\d.]+/,
  });
});

test.serial('the tiny run resumes and rolls back exactly with every batch strategy', async (t) => {
  for (const strategy of ['random', 'sequential', 'epoch']) {
    const config = { batches: strategy, plugins: { ema: { decay: 0.9 } } };
    await t.notThrowsAsync(assertResumes({ config }), strategy);
    await t.notThrowsAsync(assertRollsBack({ config }), strategy);
  }
});

test.serial('assertNoLeaks counts leaked tensors', async (t) => {
  await t.notThrowsAsync(assertNoLeaks({ plugins: [Average] }));
  await t.throwsAsync(assertNoLeaks({ plugins: [Leaks] }), { message: /^at the start of iteration 3, \d+ tensors/ });
});

test.serial('assertDeclaredMetrics names an undeclared metric', async (t) => {
  await t.notThrowsAsync(assertDeclaredMetrics({ plugins: [Average, 'training-metrics'] }));
  await t.throwsAsync(assertDeclaredMetrics({ plugins: [Forgets] }), {
    message: /^no plugin declares loss\/average: /,
  });
});

test.serial('assertTwoRanks passes for equal ranks, and finds a plugin that changes one', async (t) => {
  await t.notThrowsAsync(assertTwoRanks({ plugins: [Average] }));
  await t.throwsAsync(assertTwoRanks({ plugins: [Drifts] }), { code: 'ERR_ASSERTION', message: /^two ranks: / });
});
