import type { ExecutionContext } from 'ava';
import { makeRun, type MadeRun } from '../../../core/run/make.js';

/** The `debug` preset on `text.txt`, on the fastest engine that works here, made by the pipeline; disposed after the test. */
export async function debugRun(t: ExecutionContext, cwd: string, ...set: string[]): Promise<MadeRun> {
  const created = await makeRun({
    cwd,
    presets: ['debug'],
    set: ['engine=auto', 'precision=f32', 'data.text=text.txt', ...set],
  });
  t.teardown(() => created.run.dispose());
  return created;
}
