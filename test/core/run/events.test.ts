import { readFileSync } from 'node:fs';
import test from 'ava';
import { lifecycle, type EventName } from '../../../core/index.js';
import { makeRun } from '../../../core/run/make.js';
import { textFolder } from '../../text.js';

test('the events of a short run equal the golden file', async (t) => {
  const { run } = await makeRun({
    cwd: textFolder(t),
    presets: ['debug'],
    set: [
      'data.text=text.txt',
      'train.max_iters=2',
      'lr.warmup_iters=1',
      'train.gradient_accumulation_steps=2',
      'plugins.evaluation.interval=2',
      'plugins.evaluation.iters=1',
      'plugins.checkpoint.background=false',
    ],
  });
  t.teardown(() => run.dispose());
  const seen: string[] = [];
  for (const name of Object.keys(lifecycle) as EventName[]) run.bus.on(name, () => seen.push(name));
  await run.setUp();
  await run.train();
  const golden = readFileSync('test/fixtures/events.golden.txt', 'utf8');
  t.is(`${seen.join('\n')}\n`, golden);
});
