import { readlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parentPort } from 'node:worker_threads';
import type { Matrix, ViewModule } from '../../models/contract.js';
import { measureInThread } from '../../profiler/contract.js';
import { cpuSeconds } from './cpu.js';
import { measures } from './measures.js';
import type { Answer, Task } from './protocol.js';

let before: Matrix | undefined;

yieldToTraining();
parentPort?.on('message', (task: Task) => {
  void measureInThread('analysis', 'measure snapshot', () => answer(task)).then((found) =>
    parentPort?.postMessage(found),
  );
});

async function answer(task: Task): Promise<Answer> {
  const { at, weights, ids, windows } = task;
  try {
    const from = { clock: performance.now(), cpu: cpuSeconds() };
    for (const [name, { values }] of weights) {
      // The decompositions below never converge on them.
      if (!values.every((value: number) => Number.isFinite(value))) throw new Error(`${name} is not finite`);
    }
    const model = (await import(task.view.module)) as ViewModule;
    const view = model.viewModel(task.view.data, weights);
    const values = measures({ view, before, ids, windows });
    before = view.tokenEmbedding;
    const took = {
      'analysis/seconds': (performance.now() - from.clock) / 1000,
      'analysis/cpu_seconds': cpuSeconds() - from.cpu,
    };
    return { type: 'measured', at, values: { ...values, ...took } };
  } catch (thrown) {
    return { type: 'failed', at, message: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}

/** Lowers this thread's priority. Only Linux has one per thread; elsewhere the thread keeps the process's. */
function yieldToTraining(): void {
  try {
    const thread = Number(path.basename(readlinkSync('/proc/thread-self')));
    os.setPriority(thread, os.constants.priority.PRIORITY_LOW);
  } catch {
    // Not Linux, or not allowed.
  }
}
