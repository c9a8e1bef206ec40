import test from 'ava';
import { EventBus, Logger, MetricNames, PluginError } from '../../core/index.js';
import { watchMetrics } from '../../core/metrics/metrics.js';

/**
 * Returns what a sink receives and what is warned about if a plugin `mine` publishes these values, one set per
 * iteration.
 */
async function publish(...each: unknown[]): Promise<{ warnings: string[]; got: unknown[] }> {
  const [warnings, got]: [string[], unknown[]] = [[], []];
  const log = new Logger();
  log.addSink((_level, line) => warnings.push(line));
  const bus = new EventBus();
  const described = { unit: '', what: 'a number' };
  const tables = [
    ['theirs', { 'train/loss': described, 'theirs/*': described }],
    ['mine', { 'mine/loss': described }],
  ] as const;
  watchMetrics(bus, new MetricNames(tables), log);
  bus.listen({ plugin: 'mine', event: 'evaluation:start', critical: true }, async ({ iteration }) => {
    // The plugin must still be known as the publisher after an await.
    await Promise.resolve();
    const event: { iteration: number; values: Record<string, number> } = { iteration, values: {} };
    // A plugin from outside may not have been type-checked.
    Object.assign(event.values, each[iteration]);
    await bus.dispatch('metrics', event);
  });
  bus.listen({ plugin: 'sink', event: 'metrics', critical: true }, ({ values }) => {
    got.push(values);
  });
  for (const iteration of each.keys()) await bus.dispatch('evaluation:start', { iteration });
  return { warnings, got };
}

test('sinks receive all numbers unchanged, even those that are not finite', async (t) => {
  const values = { 'mine/loss': NaN, 'theirs/of-mine': -Infinity };
  t.deepEqual(await publish(values), { warnings: [], got: [values] });
});

for (const [value, shown] of [
  ['hi', '"hi", of type string'],
  [undefined, 'undefined, of type undefined'],
  [null, 'null, of type object'],
] as const) {
  test(`a value that is not a number is refused, naming its publisher: ${shown}`, async (t) => {
    const error = await t.throwsAsync(publish({ 'mine/loss': value }), { instanceOf: PluginError });
    t.is(error.plugin, 'mine');
    t.regex(
      error.message,
      new RegExp(`^plugin mine failed at metrics: the metric "mine/loss" is ${shown}; publish a number`),
    );
  });
}

test('an undeclared metric is warned about once, with its publisher and the nearest name', async (t) => {
  const { warnings } = await publish({ 'mine/los': 1 }, { 'mine/los': 2 });
  t.is(warnings.length, 1);
  t.regex(warnings.join(), /^metric "mine\/los" of plugin mine is not declared: did you mean "mine\/loss"\?/);
});

test('a metric that another plugin declares is warned about once', async (t) => {
  const { warnings } = await publish({ 'train/loss': 1 }, { 'train/loss': 2 });
  t.deepEqual(warnings, [
    'plugin mine publishes the metric "train/loss" of plugin theirs, so sinks keep only the last value; rename one of them',
  ]);
});
