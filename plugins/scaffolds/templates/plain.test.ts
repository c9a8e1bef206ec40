import assert from 'node:assert/strict';
import test from 'node:test';
import { assertNoLeaks, assertResumes, testRun } from 'espalier/testing';
import Plain from './plain.js';

test('a run trains on it', async (t) => {
  const run = await testRun({ plugins: [Plain], config: { precision: 'f32' } });
  t.after(() => run.dispose());
  await run.train();
  assert.ok([...run.events.losses.values()].every(Number.isFinite));
});

test('a run on it resumes', () => assertResumes({ plugins: [Plain] }));
test('it leaves no tensors', () => assertNoLeaks({ plugins: [Plain] }));
