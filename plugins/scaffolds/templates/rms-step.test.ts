import assert from 'node:assert/strict';
import test from 'node:test';
import { assertNoLeaks, assertResumes, testRun } from 'espalier/testing';
import RmsStep from './rms-step.js';

const options = { plugins: [[RmsStep, { learning_rate: 0.01 }] as const] };

test('the loss falls', async (t) => {
  const run = await testRun({ ...options, iterations: 30 });
  t.after(() => run.dispose());
  await run.train();
  const losses = [...run.events.losses.values()];
  assert.ok((losses.at(-1) ?? NaN) < (losses[0] ?? NaN));
});

test('its state is complete', () => assertResumes(options));
test('it leaves no tensors', () => assertNoLeaks(options));
