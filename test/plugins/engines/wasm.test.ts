import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { Engine, useEngine, tf } from '../../../core/index.js';
import { makeRun } from '../../../core/run/make.js';
import type { Run } from '../../../core/run/run.js';
import { textFolder } from '../../text.js';

test('other runs compute while WebAssembly starts', async (t) => {
  const cwd = textFolder(t);
  // Not `createRun`, which refuses a second engine.
  const made = async (engine: string): Promise<Run> => {
    const set = [`engine=${engine}`, 'precision=f32', 'data.text=text.txt'];
    const { run } = await makeRun({ cwd, presets: ['debug'], set, inMemory: true });
    t.teardown(() => run.dispose());
    return run;
  };
  const beside = await made('cpu');
  await beside.setUp();
  const starting = await made('wasm');

  let started = false;
  const start = starting.setUp().then(() => (started = true));
  const sums: unknown[] = [];
  while (!started) {
    useEngine(beside.container.resolve(Engine));
    sums.push(tf.tidy(() => tf.sum([1, 2]).arraySync()));
    await setImmediate();
  }
  await start;
  t.true(sums.every((sum) => sum === 3));
});
