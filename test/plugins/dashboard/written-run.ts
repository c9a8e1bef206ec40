import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const TIME = '2026-01-02T03:04:05.000Z';

/** Lines of metrics.jsonl: a loss at each of some iterations. */
export function lossLines(iterations: readonly number[]): string {
  return iterations
    .map((iter) => `${JSON.stringify({ iter, tokens: 10 * iter, 'train/loss': 4 - iter / 100, lr: 0.001 })}\n`)
    .join('');
}

/** A folder with the files of a run, as run-log leaves them. */
export function writeRun(
  folder: string,
  { iterations, config = 'seed: 1\n', time = TIME }: { iterations: readonly number[]; config?: string; time?: string },
): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'config.yaml'), config);
  writeFileSync(path.join(folder, 'metrics.jsonl'), lossLines(iterations));
  const clock = iterations.map((iter) => JSON.stringify({ iter, tokens: 10 * iter, 'time/elapsed_seconds': iter / 2 }));
  writeFileSync(path.join(folder, 'timings.jsonl'), `${clock.join('\n')}\n`);
  writeFileSync(path.join(folder, 'events.jsonl'), '');
  addEvent(folder, 'run:start', {
    time,
    iteration: 0,
    max_iters: 100,
    resumed_from: null,
    environment: { node: 'v20.0.0', engine: 'cpu: plain' },
  });
  addEvent(folder, 'metric', { name: 'train/loss', unit: 'nats', what: 'mean training loss' });
}

export function addEvent(folder: string, event: string, facts: object): void {
  appendFileSync(path.join(folder, 'events.jsonl'), `${JSON.stringify({ time: TIME, event, ...facts })}\n`);
}

/** Whole numbers `from`, `from + 1`, …, `to`. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}
