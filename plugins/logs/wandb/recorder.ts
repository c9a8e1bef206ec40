import path from 'node:path';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { messageOf } from '../../../core/index.js';
import type { RunSoFar } from './resumed-file.js';
import { itemsOf, MEDIA, STDERR, STDOUT, timeOf } from './records.js';
import type { RunFile } from './run-file.js';
import { makeFolder } from '../../files/contract.js';

/** W&B's names for metrics of `system-metrics`; others keep their name. */
const SYSTEM_NAMES: Readonly<Record<string, string>> = {
  process_cpu_percent: 'cpu',
  process_rss_mb: 'proc.memory.rssMB',
};

/** A row of the history. */
export interface Row {
  readonly step: number;
  /** Values as JSON, by key. */
  readonly values: Record<string, string>;
  readonly samples: SampleRow[];
}

export interface RecorderOptions {
  readonly file: RunFile;
  /** The `files` folder of the run. */
  readonly filesFolder: string;
  /** Content of the file so far, if the run resumes. */
  readonly soFar?: RunSoFar | undefined;
  /** History rows that are not in the file, if it does not contain the whole run. */
  readonly rowsBefore: number;
  /** The row to continue, which was removed from the file: more values of its iteration are still to come. */
  readonly open?: Row | undefined;
  readonly warn: (line: string) => void;
}

/**
 * Records what the run publishes, with one history row per iteration: values are collected until the next iteration has
 * some. A value that comes after its row was written gets a row of its own with the same step. A resumed run continues
 * the last row of its checkpoint's iteration (`rowsAt`).
 */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #summary: Map<string, { json: string; step: number }>;
  readonly #media = new Set<Promise<void>>();
  readonly #startedAt: number;
  #open: Row | undefined;
  /** The last row written for the newest iteration, and that iteration's number of rows. */
  #last: { row: Row; count: number } | undefined;
  #rows: number;

  constructor(options: RecorderOptions) {
    const { soFar, rowsBefore, open } = options;
    this.#options = options;
    this.#summary = new Map(soFar?.summary);
    this.#rows = rowsBefore + (soFar?.lines.history ?? 0);
    this.#open = open;
    this.#startedAt = performance.now() - 1000 * (soFar?.runtime ?? 0);
  }

  /** Number of history rows of the whole run, including the one being filled. */
  get rows(): number {
    return this.#rows + (this.#open === undefined ? 0 : 1);
  }

  /** Returns the last row of an iteration, and the iteration's number of rows, for a run that resumes there. */
  rowsAt(iteration: number): { row: Row; count: number } | undefined {
    const written = this.#last?.row.step === iteration ? this.#last : undefined;
    if (this.#open?.step === iteration) return { row: this.#open, count: 1 + (written?.count ?? 0) };
    return written;
  }

  /** The newest value of every key. */
  get summary(): Record<string, unknown> {
    return Object.fromEntries([...this.#summary].map(([key, { json }]) => [key, JSON.parse(json) as unknown]));
  }

  /** Seconds of run time, without the time between its processes. */
  get runtime(): number {
    return (performance.now() - this.#startedAt) / 1000;
  }

  values(iteration: number, tokens: number, values: Readonly<Record<string, unknown>>): void {
    this.#fill(iteration, tokens, (row) => {
      for (const { key, value_json: json } of itemsOf(values)) row.values[key] = json;
    });
  }

  sample(iteration: number, tokens: number, sample: SampleRow): void {
    this.#fill(iteration, tokens, (row) => row.samples.push(sample));
  }

  /** Records metrics of the machine, by name without `system/`. */
  system(values: Readonly<Record<string, number>>): void {
    const item = itemsOf(values).map(({ key, ...value }) => ({ key: SYSTEM_NAMES[key] ?? key, ...value }));
    this.#options.file.write({ stats: { timestamp: timeOf(Date.now()), item } });
  }

  console(text: string, error: boolean): void {
    const timestamp = timeOf(Date.now());
    for (const line of text.split('\n')) {
      const output_type = error ? STDERR : STDOUT;
      this.#options.file.write({ output_raw: { output_type, timestamp, line: `${line}\n` } });
    }
  }

  /** Writes the row being filled; later values of the same iteration get a row of their own. */
  closeRow(): void {
    if (this.#open === undefined) return;
    this.#write(this.#open);
    this.#open = undefined;
  }

  /** Passes everything so far to the system. */
  async flush(): Promise<void> {
    this.closeRow();
    await Promise.all(this.#media);
    await this.#options.file.flush();
  }

  async finish(exitCode: number): Promise<void> {
    this.closeRow();
    await Promise.all(this.#media);
    const { file } = this.#options;
    file.write({ exit: { exit_code: exitCode, runtime: Math.round(this.runtime) } });
    file.write({ footer: {} });
    await file.close();
  }

  #fill(step: number, tokens: number, fill: (row: Row) => unknown): void {
    const newest = this.#open?.step ?? this.#last?.row.step ?? -1;
    if (step > newest) this.closeRow();
    const row = this.#open?.step === step ? this.#open : { step, values: { iter: String(step) }, samples: [] };
    row.values['tokens'] = String(tokens);
    fill(row);
    if (step > newest) this.#open = row;
    else if (row !== this.#open) this.#write(row);
  }

  #write(row: Row): void {
    const { file } = this.#options;
    const { step, values, samples } = row;
    const table = samples.length === 0 ? undefined : samplesTable(step, samples);
    const item = [
      ...Object.entries(values).map(([key, json]) => ({ key, value_json: json })),
      ...itemsOf({
        ...(table === undefined ? {} : { samples: table.value }),
        _step: step,
        _runtime: this.runtime,
        _timestamp: Date.now() / 1000,
      }),
    ];
    file.write({ history: { item, step: { num: step } } });
    this.#rows++;
    const newest = this.#last?.row.step ?? -1;
    if (step >= newest) this.#last = { row, count: step === newest ? (this.#last?.count ?? 0) + 1 : 1 };
    const update = item.filter(({ key }) => (this.#summary.get(key)?.step ?? step) <= step);
    for (const { key, value_json: json } of update) this.#summary.set(key, { json, step });
    file.write({ summary: { update } });
    if (table !== undefined) this.#writeMedia(table);
  }

  /** Writes a media file, then its record, so that an upload that reads the record finds the file. */
  #writeMedia(table: ReturnType<typeof samplesTable>): void {
    const { file, filesFolder, warn } = this.#options;
    const writing = writeMedia(filesFolder, table)
      .then(() => {
        file.write({ files: { files: [{ path: table.path, policy: 0, type: MEDIA }] } });
      })
      .catch((thrown: unknown) => {
        warn(`wandb: ${table.path} cannot be written: ${messageOf(thrown)}`);
      })
      .finally(() => this.#media.delete(writing));
    this.#media.add(writing);
  }
}

/** A sample, as a row of a table. */
export interface SampleRow {
  readonly prompt: string;
  readonly text: string;
}

/** A media file of a run, and its value in a history row. */
export interface Media {
  /** Relative to the run's `files` folder. */
  readonly path: string;
  readonly bytes: Buffer;
  readonly value: Readonly<Record<string, unknown>>;
}

/** Makes a W&B table of samples, the only form of text in a history row that W&B shows in full. */
export function samplesTable(step: number, samples: readonly SampleRow[]): Media {
  const columns = ['iter', 'prompt', 'text'];
  const data = samples.map(({ prompt, text }) => [step, prompt, text]);
  const bytes = Buffer.from(JSON.stringify({ columns, data }));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const file = `media/table/samples_${String(step)}_${sha256.slice(0, 20)}.table.json`;
  const shape = { ncols: columns.length, nrows: data.length };
  return { path: file, bytes, value: { _type: 'table-file', sha256, size: bytes.length, path: file, ...shape } };
}

/** Returns a histogram in W&B's form: one more edge than counts. */
export function histogramValue(edges: readonly number[], counts: readonly number[]): Record<string, unknown> {
  return { _type: 'histogram', bins: edges, values: counts };
}

export async function writeMedia(filesFolder: string, media: Media): Promise<void> {
  const file = path.join(filesFolder, media.path);
  makeFolder(path.dirname(file));
  await writeFile(file, media.bytes);
}
