import assert from 'node:assert/strict';
import test from 'node:test';
import { Dataset } from 'espalier';
import { assertResumes, assertTwoRanks, testRun } from 'espalier/testing';
import Backwards from './backwards.js';

const options = { plugins: [Backwards] };

test('the last window comes first', async (t) => {
  const run = await testRun(options);
  t.after(() => run.dispose());
  let first: number[] = [];
  run.run.on('batch:ready', ({ iteration, batch }) => {
    if (iteration === 0) first = [...batch.inputs.subarray(0, batch.blockSize)];
  });
  await run.train();
  const reader = run.run.container.resolve(Dataset).split('train');
  const expected = new Int32Array(first.length);
  reader.read((Math.floor((reader.length - 1) / first.length) - 1) * first.length, first.length, expected, 0);
  assert.deepEqual(first, [...expected]);
});

test('a resumed run continues with the next window', () => assertResumes(options));
test('two ranks share the windows', () => assertTwoRanks(options));
