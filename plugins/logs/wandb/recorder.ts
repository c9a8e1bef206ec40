import path from 'node:path';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { messageOf } from '../../../core/index.js';
import type { RunSoFar } from './resumed-file.js';
import { itemsOf, MEDIA, STDERR, STDOUT, timeOf } from './records.js';
import type { RunFile } from './run-file.js';
import { makeFolder } from '../../files/contract.js';

/** What W&B calls what `system-metrics` measures; others keep their name. */
const SYSTEM_NAMES: Readonly<Record<string, string>> = {
  process_cpu_percent: 'cpu',
  process_rss_mb: 'proc.memory.rssMB',
};

/** A row of the history. */
export interface Row {
  readonly step: number;
  /** As JSON, by key. */
  readonly values: Record<string, string>;
  readonly samples: SampleRow[];
}

export interface RecorderOptions {
  readonly file: RunFile;
  /** The `files` folder of the run. */
  readonly filesFolder: string;
  /** What the file holds already, where the run goes on. */
  readonly soFar?: RunSoFar | undefined;
  /** History rows that came before the file, where it does not hold the whole run. */
  readonly rowsBefore: number;
  /** The row to continue, taken out of the file: values for its iteration are still to come. */
  readonly open?: Row | undefined;
  readonly warn: (line: string) => void;
}

/**
 * Makes records of what the run publishes. One history row an iteration: values are gathered until the next iteration
 * has some. A value that comes after its row was written makes a row of its own, with the step that it belongs to.
 * A resumed run continues the last row of its checkpoint's iteration (`rowsAt`).
 */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #summary: Map<string, { json: string; step: number }>;
  readonly #media = new Set<Promise<void>>();
  readonly #startedAt: number;
  #open: Row | undefined;
  /** The last row written of the newest iteration, and the number of rows of that iteration. */
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

  /** History rows of the whole run, including the one that is being filled. */
  get rows(): number {
    return this.#rows + (this.#open === undefined ? 0 : 1);
  }

  /** The last row of an iteration, and the number of rows it has; for the run that resumes there. */
  rowsAt(iteration: number): { row: Row; count: number } | undefined {
    const written = this.#last?.row.step === iteration ? this.#last : undefined;
    if (this.#open?.step === iteration) return { row: this.#open, count: 1 + (written?.count ?? 0) };
    return written;
  }

  /** The newest value of every key. */
  get summary(): Record<string, unknown> {
    return Object.fromEntries([...this.#summary].map(([key, { json }]) => [key, JSON.parse(json) as unknown]));
  }

  /** Seconds since the run started, what passed between its processes left out. */
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

  /** Figures of the machine, by name without `system/`. */
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

  /** Writes what is gathered; what comes later for the same iteration has a row of its own. */
  closeRow(): void {
    if (this.#open === undefined) return;
    this.#write(this.#open);
    this.#open = undefined;
  }

  /** Everything so far is with the system then. */
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

  /** The record follows its file: an upload that reads the one finds the other. */
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
