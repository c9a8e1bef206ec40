import assert from 'node:assert/strict';
import test from 'node:test';
import { Dataset } from 'espalier';
import { assertResumes, testRun } from 'espalier/testing';
import Sums from './sums.js';

const options = { plugins: [[Sums, { below: 20, sums: 200 }] as const], config: { data: {} } };

test('every line is a correct addition', async (t) => {
  const run = await testRun(options);
  t.after(() => run.dispose());
  await run.train();
  const data = run.run.container.resolve(Dataset);
  const reader = data.split('train');
  const tokens = new Int32Array(reader.length);
  reader.read(0, reader.length, tokens, 0);
  const lines = (await data.tokenizer?.decode(tokens))?.trim().split('\n') ?? [];
  assert.equal(lines.length, 180);
  for (const line of lines) {
    const [, a, b, sum] = /^(\d+)\+(\d+)=(\d+)$/.exec(line) ?? [];
    assert.equal(Number(a) + Number(b), Number(sum), line);
  }
});

test('a run on it resumes', () => assertResumes(options));
