import test, { type ExecutionContext } from 'ava';
import { MetricNames, type Metrics } from '../../../core/index.js';
import { testRun } from '../../../plugins/testing/contract.js';

async function published(t: ExecutionContext, interval: number): Promise<Metrics[]> {
  await using made = await testRun({ iterations: 3, plugins: [['system-metrics', { interval }]] });
  const { run } = made;
  const seen: Metrics[] = [];
  run.bus.listen({ plugin: 'test', event: 'metrics', critical: true }, (metrics) => {
    if (Object.keys(metrics.values).some((name) => name.startsWith('system/'))) seen.push(metrics);
  });
  const names = run.container.resolve(MetricNames);
  await run.train();
  for (const { values } of seen) {
    for (const name of Object.keys(values)) t.true(names.describe(name)?.clock, name);
  }
  return seen;
}

test('metrics are shares, and the process’s own memory', async (t) => {
  const seen = await published(t, 0);
  t.deepEqual(
    seen.map(({ iteration }) => iteration),
    [1, 2, 3],
  );
  for (const { values } of seen) {
    for (const share of ['system/process_cpu_percent', 'system/memory_percent']) {
      const value = values[share] ?? NaN;
      // The process's time is counted more finely than the wall's.
      t.true(value > 0 && value <= 110, `${share}: ${value}`);
    }
    const cpu = values['system/cpu_percent'] ?? 0;
    t.true(cpu >= 0 && cpu <= 100);
    const rss = values['system/process_rss_mb'] ?? NaN;
    t.true(rss > 20 && rss < 1e5);
  }
});

test('nothing is published between intervals', async (t) => {
  t.deepEqual(await published(t, 3600), []);
});
