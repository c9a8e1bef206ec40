import { closeSync, openSync, renameSync, writeSync } from 'node:fs';
import { z } from 'zod';
import { retriedSync } from '../../files/contract.js';
import { FILE_HEADER, framed, readRecords } from './blocks.js';
import { Lines, decodeRecord, encodeRecord, type Item, type RunPart, type WandbRecord } from './records.js';

const WRITE_BYTES = 2 ** 20;
const mediaSchema = z.looseObject({ _type: z.string(), path: z.string().regex(/^media\/table\/[\w.-]+$/) });

/** Content of a run file that a resumed run continues. */
export interface RunSoFar {
  /** Size of the file in bytes, and the number of its last record. */
  readonly position: number;
  readonly records: number;
  /** Lines of each kind in it. */
  readonly lines: Lines;
  /** Lines before the first removed one: after them a server has other lines than the file. */
  readonly untouched: Lines;
  /** The summary after the kept rows: by key, the value as JSON and its step. */
  readonly summary: ReadonlyMap<string, { json: string; step: number }>;
  /** Media files of removed rows, relative to the run's `files` folder. */
  readonly gone: ReadonlySet<string>;
  /** Run time at the last row, in seconds. */
  readonly runtime: number;
}

/**
 * Prepares a run file for a resumed run. Removes the rows that will be written again, their summaries, and the exit
 * record; keeps console lines and system metrics. Replaces the file atomically.
 * @param kept called with the step of each row in order; returns whether to keep it
 * @param renewed returns the current run record for the one in the file
 */
export function resumeFile(
  file: string,
  kept: (step: number) => boolean,
  renewed: (run: RunPart) => RunPart,
): RunSoFar {
  const draft = `${file}.new`;
  const [from, to] = [openSync(file, 'r'), openSync(draft, 'w')];
  let soFar: RunSoFar;
  try {
    soFar = copyKept(from, to, kept, renewed);
  } finally {
    // Windows can neither rename an open file nor replace one.
    closeSync(from);
    closeSync(to);
  }
  retriedSync(() => {
    renameSync(draft, file);
  });
  return soFar;
}

function copyKept(
  from: number,
  to: number,
  kept: (step: number) => boolean,
  renewed: (run: RunPart) => RunPart,
): RunSoFar {
  const summary = new Map<string, { json: string; step: number }>();
  const lines = new Lines();
  const gone = new Set<string>();
  let untouched: Lines | undefined;
  let [records, runtime, step, position] = [0, 0, 0, FILE_HEADER.length];
  let keepsRow = true;
  let waiting: Uint8Array[] = [FILE_HEADER];
  let waitingBytes = 0;
  const write = (): void => {
    writeSync(to, Buffer.concat(waiting));
    [waiting, waitingBytes] = [[], 0];
  };
  for (const stored of readRecords(from, FILE_HEADER.length)) {
    const record = decodeRecord(stored.bytes);
    // A row's summary follows it.
    if (record.history !== undefined) {
      step = record.history.step.num;
      keepsRow = kept(step);
      if (!keepsRow) for (const file of mediaOf(record.history.item)) gone.add(file);
    }
    if (endsRun(record) || (isOfRow(record) && !keepsRow)) {
      untouched ??= lines.copy();
      continue;
    }
    // The record of a media file follows its row.
    if (record.files?.files.every(({ path }) => gone.has(path)) === true) continue;
    lines.count(record);
    records = Math.max(records, record.num);
    runtime = Math.max(runtime, runtimeOf(record));
    for (const { key, value_json: json } of record.summary?.update ?? []) summary.set(key, { json, step });
    const { run } = record;
    const bytes = framed(run === undefined ? stored.bytes : encodeRecord({ ...record, run: renewed(run) }), position);
    position += bytes.length;
    waiting.push(bytes);
    waitingBytes += bytes.length;
    if (waitingBytes > WRITE_BYTES) write();
  }
  write();
  return { position, records, lines, untouched: untouched ?? lines.copy(), summary, gone, runtime };
}

/** Returns the media files that a row refers to. */
function mediaOf(items: readonly Item[]): string[] {
  return items.flatMap(({ value_json: json }) => {
    const media = json.startsWith('{') ? mediaSchema.safeParse(JSON.parse(json)) : undefined;
    return media?.success === true ? [media.data.path] : [];
  });
}

function endsRun({ exit, footer }: WandbRecord): boolean {
  return exit !== undefined || footer !== undefined;
}

function isOfRow({ history, summary }: WandbRecord): boolean {
  return history !== undefined || summary !== undefined;
}

function runtimeOf({ history }: WandbRecord): number {
  const found = history?.item.find(({ key }) => key === '_runtime');
  return found === undefined ? 0 : Number(found.value_json);
}

/** Returns whether a file contains the run record, which it lacks if the process was killed at once. */
export function holdsRun(file: string): boolean {
  const descriptor = openSync(file, 'r');
  try {
    for (const { bytes } of readRecords(descriptor, FILE_HEADER.length)) {
      if (decodeRecord(bytes).run !== undefined) return true;
    }
    return false;
  } finally {
    closeSync(descriptor);
  }
}
