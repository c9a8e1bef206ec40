import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { FILE_HEADER, readRecords } from './blocks.js';
import type { Client } from './http.js';
import {
  Lines,
  decodeRecord,
  jsonOf,
  secondsOf,
  STDERR,
  type Item,
  type RunPart,
  type WandbRecord,
} from './records.js';
import { createRunFiles, upsertBucket, type ServerRun } from './queries.js';

/** About as much as the Python client sends in one request. */
const REQUEST_BYTES = 2 ** 20;
const HEARTBEAT_MS = 30_000;

export interface UploadSource {
  /** The run file; it may still grow, or not exist yet. */
  readonly file: string;
  readonly filesFolder: string;
  /** Lines in the file when the upload starts. */
  readonly lines: Lines;
  /** The first of these lines, which a server that has as many already has unchanged. */
  readonly untouched: Lines;
  /** History rows of the run before this file. */
  readonly rowsBefore: number;
}

/** Lines of one kind to send, and the number of the first. */
interface Chunk {
  offset: number;
  content: string[];
}

/**
 * Sends a run file to a server, record by record, as far as it is written. The file is the buffer: however long the
 * server is away, nothing is held in memory and nothing is lost. Lines are numbered, and a line sent again replaces the
 * one with its number, so a resumed run overwrites what came after its checkpoint.
 */
export class Uploader {
  #run: ServerRun | undefined;
  #position = FILE_HEADER.length;
  /** Lines of the run read so far. */
  #lines = new Lines();
  /** Lines that need not be sent, since the server has them. */
  #known = new Lines();
  readonly #summary: Record<string, unknown> = {};
  #exitCode: number | undefined;
  #startTime = 0;
  #sentAt = 0;
  /** Files named by records, to be sent after the lines before them. */
  #files: string[] = [];

  constructor(
    private readonly source: UploadSource,
    private readonly server: Client,
  ) {}

  /** Path of the run's page on the server: `ENTITY/PROJECT/runs/ID`; undefined until it is known. */
  get page(): string | undefined {
    if (this.#run === undefined) return undefined;
    const { entity, project, id } = this.#run;
    return [entity, project, 'runs', id].map(encodeURIComponent).join('/');
  }

  /** Sends what was written since the last call. @throws ServerGone */
  async push(): Promise<void> {
    while (await this.#pushSome());
    if (this.#run !== undefined && performance.now() - this.#sentAt > HEARTBEAT_MS) await this.#stream({});
  }

  /** Sends the rest, and marks the run as ended. @throws ServerGone */
  async finish(): Promise<void> {
    await this.push();
    await this.#sendFiles(['config.yaml', 'wandb-summary.json']);
    await this.#stream({ complete: true, exitcode: this.#exitCode ?? 1 });
  }

  /** Sends one request's worth of records. @returns whether there is more */
  async #pushSome(): Promise<boolean> {
    const { records, more } = this.#read();
    const history: Chunk = { offset: -1, content: [] };
    const events: Chunk = { offset: -1, content: [] };
    const output: Chunk = { offset: -1, content: [] };
    let summaryChanged = false;
    for (const record of records) {
      if (record.run !== undefined) await this.#start(record.run);
      if (record.summary !== undefined) {
        Object.assign(this.#summary, valuesOf(record.summary.update));
        summaryChanged = true;
      }
      for (const { path: file } of record.files?.files ?? []) this.#files.push(file);
      if (record.exit !== undefined) this.#exitCode = record.exit.exit_code;
      const { history: row, stats, output_raw: line } = record;
      if (row !== undefined) add(history, this.#lines.history, this.#known.history, historyLine(row.item));
      if (stats !== undefined) add(events, this.#lines.events, this.#known.events, this.#statsLine(stats));
      if (line !== undefined) add(output, this.#lines.output, this.#known.output, outputLine(line));
      this.#lines.count(record);
    }
    const files = Object.fromEntries(
      [
        ['wandb-history.jsonl', history] as const,
        ['wandb-events.jsonl', events] as const,
        ['output.log', output] as const,
        ['wandb-summary.json', { offset: 0, content: summaryChanged ? [jsonOf(this.#summary)] : [] }] as const,
      ].filter(([, { content }]) => content.length > 0),
    );
    if (Object.keys(files).length > 0) await this.#stream({ files });
    await this.#sendFiles(this.#files.splice(0));
    return more;
  }

  #read(): { records: WandbRecord[]; more: boolean } {
    // The first records may still be buffered.
    if (!existsSync(this.source.file)) return { records: [], more: false };
    const descriptor = openSync(this.source.file, 'r');
    const records: WandbRecord[] = [];
    let bytes = 0;
    try {
      for (const stored of readRecords(descriptor, this.#position)) {
        records.push(decodeRecord(stored.bytes));
        bytes += stored.bytes.length;
        this.#position = stored.end;
        if (bytes > REQUEST_BYTES) return { records, more: true };
      }
      return { records, more: false };
    } finally {
      closeSync(descriptor);
    }
  }

  async #start(run: RunPart): Promise<void> {
    this.#startTime = secondsOf(run.start_time);
    this.#run = await upsertBucket(this.server, run, wrapped(run.config?.update ?? []));
    const held = this.#run.lines;
    const { untouched } = this.source;
    this.#lines = this.#linesBefore(held);
    this.#known = new Lines(
      Math.min(held.history, this.#lines.history + untouched.history),
      Math.min(held.events, this.#lines.events + untouched.events),
      Math.min(held.output, this.#lines.output + untouched.output),
    );
  }

  /** Returns the lines that the server has from before this file. Checkpoints count only history rows. */
  #linesBefore(held: Lines): Lines {
    const { rowsBefore, lines } = this.source;
    if (rowsBefore === 0) return new Lines();
    return new Lines(
      Math.min(rowsBefore, held.history),
      Math.max(0, held.events - lines.events),
      Math.max(0, held.output - lines.output),
    );
  }

  async #stream(body: Readonly<Record<string, unknown>>): Promise<void> {
    if (this.#run === undefined) return;
    const { entity, project, id } = this.#run;
    const at = [entity, project, id].map(encodeURIComponent).join('/');
    await this.server.post(`/files/${at}/file_stream`, body);
    this.#sentAt = performance.now();
  }

  /** Sends files; missing ones could not be written, which was reported then. */
  async #sendFiles(names: readonly string[]): Promise<void> {
    const at = (name: string): string => path.join(this.source.filesFolder, name);
    const there = names.filter((name) => existsSync(at(name)));
    if (this.#run === undefined || there.length === 0) return;
    const { headers, files } = await createRunFiles(this.server, this.#run, there);
    for (const { name, uploadUrl } of files) {
      const bytes = Uint8Array.from(readFileSync(at(name)));
      await this.server.put(uploadUrl, headers, bytes);
    }
  }

  #statsLine({ timestamp, item }: NonNullable<WandbRecord['stats']>): string {
    const at = secondsOf(timestamp);
    const named = item.map(({ key, ...value }) => ({ key: `system.${key}`, ...value }));
    return jsonOf({ _wandb: true, _timestamp: at, _runtime: at - this.#startTime, ...valuesOf(named) });
  }
}

/** Adds line number `at` to a chunk, unless the server already has it. */
function add(chunk: Chunk, at: number, known: number, line: string): void {
  if (at < known) return;
  if (chunk.content.length === 0) chunk.offset = at;
  chunk.content.push(line);
}

function historyLine(item: readonly Item[]): string {
  return jsonOf(valuesOf(item));
}

function outputLine({ output_type: type, timestamp, line }: NonNullable<WandbRecord['output_raw']>): string {
  const time = new Date(1000 * secondsOf(timestamp)).toISOString().replace('Z', '000');
  return `${type === STDERR ? 'ERROR ' : ''}${time} ${line.replace(/\n$/, '')}`;
}

function valuesOf(items: readonly Item[]): Record<string, unknown> {
  return Object.fromEntries(items.map(({ key, value_json: json }) => [key, JSON.parse(json) as unknown]));
}

/** Wraps config values in the server's form: `{"lr": {"value": 0.1}}`. */
function wrapped(items: readonly Item[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(valuesOf(items)).map(([key, value]) => [key, { value }]));
}
