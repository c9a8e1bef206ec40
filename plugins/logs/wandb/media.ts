import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { makeFolder } from '../../files/contract.js';

/** A text that the model wrote, as a row of a table. */
export interface SampleRow {
  readonly prompt: string;
  readonly text: string;
}

/** A file of a run, and what stands for it in a history row. */
export interface Media {
  /** Relative to the run's `files` folder. */
  readonly path: string;
  readonly bytes: Buffer;
  readonly value: Readonly<Record<string, unknown>>;
}

/** Samples as a W&B table: the one form of text in a history row that W&B shows in full. */
export function samplesTable(step: number, samples: readonly SampleRow[]): Media {
  const columns = ['iter', 'prompt', 'text'];
  const data = samples.map(({ prompt, text }) => [step, prompt, text]);
  const bytes = Buffer.from(JSON.stringify({ columns, data }));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const file = `media/table/samples_${String(step)}_${sha256.slice(0, 20)}.table.json`;
  const shape = { ncols: columns.length, nrows: data.length };
  return { path: file, bytes, value: { _type: 'table-file', sha256, size: bytes.length, path: file, ...shape } };
}

/** A histogram as W&B has it: one count fewer than edges. */
export function histogramValue(edges: readonly number[], counts: readonly number[]): Record<string, unknown> {
  return { _type: 'histogram', bins: edges, values: counts };
}

export async function writeMedia(filesFolder: string, media: Media): Promise<void> {
  const file = path.join(filesFolder, media.path);
  makeFolder(path.dirname(file));
  await writeFile(file, media.bytes);
}
