import test from 'ava';
import { composeStored } from '../../../plugins/configs/layers/compose.js';
import { withoutReplaced } from '../../../plugins/configs/layers/replaced.js';
import { configChanges, withChanges } from '../../../plugins/checkpoint/resume/changes.js';
import { compose, yaml } from './helpers.js';

const text = 'data: { text: a }';

test('an option of a later layer takes the place of those that its schema names', async (t) => {
  const own = await compose(t, yaml(text), { set: ['data.dir=b'] });
  t.deepEqual(own.value, { data: { dir: 'b' } });
  t.false(own.origins.has('data.text'));
  const chain = { ...yaml('extends: ./a.yaml', 'data: { dir: b }'), 'a.yaml': text, 'c.yaml': 'data: { text: c }' };
  t.deepEqual((await compose(t, chain)).value, { data: { dir: 'b' } });
  t.deepEqual((await compose(t, chain, { presets: ['./c.yaml'] })).value, { data: { text: 'c' } });
});

test('both stay where one layer has them, for the plugin to refuse', async (t) => {
  const both = { data: { text: 'a', dir: 'b' } };
  t.deepEqual((await compose(t, yaml('data: { text: a, dir: b }'))).value, both);
  t.deepEqual((await compose(t, {}, { set: ['data.text=a', 'data.dir=b'] })).value, both);
});

test('what resumes takes the place of what the checkpoint has', async (t) => {
  const stored = { data: { use: 'token-shards', text: 'a' } };
  const current = await compose(t, yaml(text), { set: ['data.dir=b'] });
  const merged = withChanges(stored, 'c', current, configChanges(stored, {}, current, []));
  const places = { cwd: process.cwd() };
  const data = { use: 'token-shards', dir: 'b' };
  t.deepEqual((await withoutReplaced(merged, places)).value, { data });
  const sampled = composeStored(stored, 'c', ['data.dir=b']);
  t.deepEqual((await withoutReplaced(sampled, places)).value, { data });
});
