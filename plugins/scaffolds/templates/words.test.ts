import assert from 'node:assert/strict';
import test from 'node:test';
import { assertResumes, testRun } from 'espalier/testing';
import Words from './words.js';

test('decoding gives the text again, also with a tokenizer made from the state', async () => {
  const factory = new Words();
  const text = 'Call me Ishmael. Some years ago—never mind how long!\n';
  const tokenizer = factory.forText(text);
  const again = factory.fromState(JSON.parse(JSON.stringify(tokenizer.state())));
  assert.equal(await again.decode(await tokenizer.encode(text)), text);
});

test('an unknown word is named', () => {
  assert.throws(() => new Words().forText('a b').encode('a c'), /"c" is not in the training text/);
});

test('a run trains with it and resumes', async (t) => {
  const run = await testRun({ plugins: [Words] });
  t.after(() => run.dispose());
  assert.equal((await run.train()).status, 'done');
  await assertResumes({ plugins: [Words] });
});
