import { AssertionError } from 'node:assert';
import { MetricNames, tf } from '../../../core/index.js';
import { testRun, type TestRunOptions } from '../run/test-run.js';

/**
 * Checks that no tensor leaks: the number of live tensors after each iteration equals that after the second, even with
 * evaluations and checkpoints in between, and after `dispose` it is what it was before the run.
 * @throws AssertionError naming the iteration, and how many tensors are left
 */
export async function assertNoLeaks(options: TestRunOptions = {}): Promise<void> {
  // Tensors that an engine keeps for all its runs do not count.
  await (await testRun(options)).dispose();
  const before = tf.memory().numTensors;
  const alive: number[] = [];
  {
    await using run = await testRun({ iterations: 10, ...options });
    run.run.on('iteration:start', () => {
      alive.push(tf.memory().numTensors);
    });
    await run.train();
  }
  // The first step makes the optimizer's moments.
  const [, , expected = 0, ...later] = alive;
  const at = later.findIndex((count) => count !== expected);
  if (at >= 0) throw leak(`at the start of iteration ${String(at + 3)}`, later[at] ?? NaN, expected);
  const after = tf.memory().numTensors;
  if (after !== before) throw leak('after dispose()', after, before);
}

function leak(when: string, count: number, expected: number): AssertionError {
  return new AssertionError({
    message: `${when}, ${String(count)} tensors are alive instead of ${String(expected)}: dispose tensors that a listener makes, or use tf.tidy`,
    actual: count,
    expected,
    operator: 'strictEqual',
  });
}

/**
 * Checks that every published metric is declared by a plugin of the run, in `@Plugin({ metrics })`.
 * @throws AssertionError with the names of undeclared metrics
 */
export async function assertDeclaredMetrics(options: TestRunOptions = {}): Promise<void> {
  await using run = await testRun(options);
  await run.train();
  const declared = run.run.container.resolve(MetricNames);
  const published = new Set(run.events.of('metrics').flatMap(({ values }) => Object.keys(values)));
  const unknown = [...published].filter((name) => declared.describe(name) === undefined);
  if (unknown.length === 0) return;
  throw new AssertionError({
    message: `no plugin declares ${unknown.join(', ')}: name them, with their unit, in @Plugin({ metrics })`,
    actual: unknown,
    expected: [],
    operator: 'deepStrictEqual',
  });
}
