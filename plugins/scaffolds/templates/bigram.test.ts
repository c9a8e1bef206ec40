import assert from 'node:assert/strict';
import test from 'node:test';
import { assertNoLeaks, assertResumes, testRun } from 'espalier/testing';
import Bigram from './bigram.js';

const options = { plugins: [[Bigram, { block_size: 16 }] as const] };

test('it learns, and writes text', async (t) => {
  const run = await testRun({ ...options, iterations: 40, config: { optimizer: { learning_rate: 0.05 } } });
  t.after(() => run.dispose());
  await run.train();
  const losses = [...run.events.losses.values()];
  assert.ok((losses.at(-1) ?? NaN) < 0.8 * (losses[0] ?? NaN));
  const text = run.run.model.generate([0], { maxNewTokens: 5, temperature: 1, topK: 0, random: () => 0.5 });
  assert.equal(text.length, 5);
});

test('it resumes', () => assertResumes(options));
test('it leaves no tensors', () => assertNoLeaks(options));
