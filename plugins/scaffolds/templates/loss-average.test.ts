import assert from 'node:assert/strict';
import test from 'node:test';
import {
  assertDeclaredMetrics,
  assertNoLeaks,
  assertResumes,
  assertRollsBack,
  assertTwoRanks,
  nanGradients,
  testRun,
} from 'espalier/testing';
import LossAverage from './loss-average.js';

test('it averages the losses', async (t) => {
  const run = await testRun({ plugins: [[LossAverage, { decay: 0.5 }]], iterations: 2 });
  t.after(() => run.dispose());
  await run.train();
  const [first = NaN, second = NaN] = run.events.losses.values();
  assert.deepEqual([...run.events.metric('loss/average').values()], [first, 0.5 * first + 0.5 * second]);
});

test('it does not mind a step that is NaN', async (t) => {
  const run = await testRun({ plugins: [LossAverage, 'health'], faults: [nanGradients({ iteration: 2 })] });
  t.after(() => run.dispose());
  await run.train();
  assert.ok([...run.events.metric('loss/average').values()].every(Number.isFinite));
});

const options = { plugins: [LossAverage] };
test('its state survives stops and resumes', () => assertResumes(options));
test('its state survives a rollback', () => assertRollsBack(options));
test('it leaves no tensors', () => assertNoLeaks(options));
test('it declares its metrics', () => assertDeclaredMetrics(options));
test('it does right on two ranks', () => assertTwoRanks(options));
