import assert from 'node:assert/strict';
import test from 'node:test';
import { LearningRate } from 'espalier';
import { testRun } from 'espalier/testing';
import Plateau from './plateau.js';

test('it rises, stays and falls', async (t) => {
  const plugins = [[Plateau, { warmup_iters: 3, decay_share: 0.5 }] as const];
  const run = await testRun({ plugins, iterations: 12 });
  t.after(() => run.dispose());
  const schedule = run.run.container.resolve(LearningRate);
  const rates = Array.from({ length: 12 }, (_, iteration) => schedule.at(iteration, 12));
  assert.deepEqual(rates, [3, 6, 9, 12, 12, 12, 12, 10, 8, 6, 4, 2]);
});
