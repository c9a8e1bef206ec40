import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import path from 'node:path';
import { CheckpointStore, Dataset, Ranks } from '../../../core/index.js';
import { boundTo, type Run } from '../../../core/runs.js';
import { renderLines } from '../../configs/contract.js';
import { print } from '../shell/options.js';
import { aligned } from './aligned.js';

const BYTES_PER_NUMBER = 4;

/** Prints what a run that is ready to start would do, on the first rank only. Writes nothing. */
export async function dryRun(run: Run, json: boolean): Promise<void> {
  if (run.container.resolve(Ranks).rank > 0) return;
  const counts = run.model.parameterCounts();
  const parameters = counts.reduce((sum, { total }) => sum + total, 0);
  const { batch_size: batchSize, gradient_accumulation_steps: accumulation, max_iters: iterations } = run.config.train;
  const memory = {
    state: parameters * BYTES_PER_NUMBER * (1 + run.numbersPerTrained),
    activations: run.model.activationBytes(batchSize),
  };
  const checkpoints = boundTo(run.container, CheckpointStore)?.expected(parameters);
  const free = await freeBytes(run.folder.path);
  const needed = checkpoints === undefined ? 0 : checkpoints.bytes * checkpoints.kept;
  const listeners = Object.fromEntries(run.bus.events.list().map(({ name }) => [name, run.bus.order(name)]));
  const data = run.container.resolve(Dataset);
  const facts = {
    config: run.explain(),
    listeners,
    parameters: counts,
    tokensPerIteration: run.container.resolve(Ranks).size * batchSize * accumulation * run.model.blockSize,
    iterations,
    data: { train: data.split('train').length, val: data.split('val').length },
    memory,
    checkpoints: { ...checkpoints, free },
    runFolder: run.folder.path,
  };
  print(json, facts, () =>
    [
      'config',
      renderLines(facts.config).replace(/^/gm, '  '),
      '',
      'listeners, in their order',
      ...indented(
        Object.entries(listeners)
          .filter(([, names]) => names.length > 0)
          .map(([event, names]) => [event, names.join(' → ')]),
      ),
      '',
      'parameters',
      ...indented([
        ...counts.map(({ component, total, trainable }) => [
          component,
          grouped(total).padStart(14),
          `(${grouped(trainable)} trainable)`,
        ]),
        ['total', grouped(parameters).padStart(14)],
      ]),
      '',
      `data         ${grouped(facts.data.train)} training tokens, ${grouped(facts.data.val)} validation tokens`,
      `training     ${grouped(iterations)} iterations of ${grouped(facts.tokensPerIteration)} tokens`,
      `memory       about ${size(memory.state + memory.activations)}: ${size(memory.state)} for weights, gradients and optimizer, ${size(memory.activations)} for activations`,
      checkpoints === undefined
        ? 'checkpoints  none'
        : `checkpoints  ${size(checkpoints.bytes)} each, up to ${String(checkpoints.kept)} kept: ${size(needed)} of ${size(free)} free${needed > free ? ' — TOO LITTLE SPACE' : ''}`,
      `run folder   ${run.folder.shown} (${existsSync(run.folder.path) ? 'unchanged' : 'not created'})`,
    ].join('\n'),
  );
}

function indented(rows: readonly (readonly string[])[]): string[] {
  return aligned(rows).map((line) => `  ${line}`);
}

/** Returns the free space for a folder, from its nearest existing parent. */
async function freeBytes(folder: string): Promise<number> {
  let at = folder;
  for (;;) {
    try {
      const stats = await statfs(at);
      return stats.bavail * stats.bsize;
    } catch {
      const above = path.dirname(at);
      if (above === at) return 0;
      at = above;
    }
  }
}

function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

function size(bytes: number): string {
  return bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
