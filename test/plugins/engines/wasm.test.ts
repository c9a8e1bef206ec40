import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { Engine, useEngine, tf } from '../../../core/index.js';
import { debugRun } from '../../core/run/debug-run.js';
import { textFolder } from '../../text.js';

test('while WebAssembly starts, the runs beside it compute', async (t) => {
  const folder = textFolder(t);
  const beside = await debugRun(t, folder, 'run.dir=a', 'engine=cpu');
  await beside.run.setUp();
  const starting = await debugRun(t, folder, 'run.dir=b', 'engine=wasm');

  let started = false;
  const start = starting.run.setUp().then(() => (started = true));
  const sums: unknown[] = [];
  while (!started) {
    useEngine(beside.run.container.resolve(Engine));
    sums.push(tf.tidy(() => tf.sum([1, 2]).arraySync()));
    await setImmediate();
  }
  await start;
  t.true(sums.every((sum) => sum === 3));
});
