import test from 'ava';
import fc from '../../property.js';
import { BatchSource, RandomStreams, type Batch, type PluginInstance } from '../../../core/index.js';
import { testRun } from '../../../plugins/testing/contract.js';
import { textFolder } from '../../text.js';

const shape = { batchSize: 3, blockSize: 32 };

/** Each strategy, with options that make it do what it is for in a few batches of a small text. */
const strategies = {
  random: 'batches=random',
  sequential: 'batches=sequential',
  epoch: 'batches=epoch',
  'random, read in the loop': 'batches={strategy: random, prefetch: 0}',
  mixture: 'batches={strategy: mixture, weights: {text.txt: 1}}',
  curriculum: 'batches={strategy: curriculum, candidates: 20, round: 4}',
  importance: 'batches={strategy: importance}',
};

for (const [strategy, set] of Object.entries(strategies)) {
  test(`${strategy}: interrupted anywhere, the same batches follow`, async (t) => {
    const folder = textFolder(t);
    const source = async (): Promise<{ next: () => Promise<Batch>; save: () => () => void }> => {
      const made = await testRun({ cwd: folder, config: { data: { text: 'text.txt' } }, set: [set] });
      t.teardown(() => made.dispose());
      const { run } = made;
      const batches = run.container.resolve(BatchSource);
      const instance: PluginInstance = batches;
      return {
        next: async () => batches.next(shape),
        save: () => {
          const { random, plugins } = run.snapshot().state;
          const name = Object.keys(plugins).find((plugin) => plugin.startsWith('batches-')) ?? '';
          const { state, version } = JSON.parse(JSON.stringify(plugins[name])) as { state: unknown; version: number };
          return () => {
            run.container.resolve(RandomStreams).restore(random);
            instance.restore?.(state, version);
          };
        },
      };
    };
    const { next, save } = await source();
    await fc.assert(
      fc.asyncProperty(fc.nat(60), fc.integer({ min: 1, max: 60 }), async (before, after) => {
        for (let i = 0; i < before; i++) await next();
        const restore = save();
        const expected: Batch[] = [];
        for (let i = 0; i < after; i++) expected.push(await next());
        restore();
        for (const batch of expected) t.deepEqual(await next(), batch);
      }),
      { numRuns: 20 },
    );
  });

  test(`${strategy}: targets are the inputs one token on, and evaluation batches depend on their number alone`, async (t) => {
    await using made = await testRun({ cwd: textFolder(t), config: { data: { text: 'text.txt' } }, set: [set] });
    const { run } = made;
    const batches = run.container.resolve(BatchSource);
    const { inputs, targets } = await batches.next(shape);
    for (let row = 0; row < shape.batchSize; row++) {
      const start = row * shape.blockSize;
      t.deepEqual(inputs.slice(start + 1, start + shape.blockSize), targets.slice(start, start + shape.blockSize - 1));
    }
    const first = batches.evaluation('val', 0, shape);
    const second = batches.evaluation('val', 1, shape);
    await batches.next(shape);
    t.deepEqual(batches.evaluation('val', 0, shape), first);
    t.notDeepEqual(second, first);
  });
}
