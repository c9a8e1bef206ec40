import { closeSync, openSync, renameSync, writeSync } from 'node:fs';
import { z } from 'zod';
import { retriedSync } from '../../files/contract.js';
import { FILE_HEADER, framed, readRecords } from './blocks.js';
import { Lines, decodeRecord, encodeRecord, type Item, type RunPart, type WandbRecord } from './records.js';

const WRITE_BYTES = 2 ** 20;
const mediaSchema = z.looseObject({ _type: z.string(), path: z.string().regex(/^media\/table\/[\w.-]+$/) });

/** What a run file holds, for a run that goes on writing it. */
export interface RunSoFar {
  /** Bytes in the file, and the number of its last record. */
  readonly position: number;
  readonly records: number;
  /** Lines of each kind in it. */
  readonly lines: Lines;
  /** Lines before the first that was taken out: what a server has after them is not as it is here. */
  readonly untouched: Lines;
  /** The summary as the rows leave it: by key, the value as JSON and the step it is of. */
  readonly summary: ReadonlyMap<string, { json: string; step: number }>;
  /** Files of rows that were taken out, relative to the run's `files` folder. */
  readonly gone: ReadonlySet<string>;
  /** Seconds that the run had taken at the last row. */
  readonly runtime: number;
}

/**
 * Makes a run file that of a run that goes on from a checkpoint: rows that come again are taken out, with the summary
 * they made, and the exit. What was printed stays, and what was measured of the machine. The file is replaced as a
 * whole, or not at all.
 * @param kept asked for each row in order, by its step
 * @param renewed the run's record as it is now, from the one in the file
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
    // Windows renames no open file, nor over one.
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
    // The summary of a row stands behind it.
    if (record.history !== undefined) {
      step = record.history.step.num;
      keepsRow = kept(step);
      if (!keepsRow) for (const file of mediaOf(record.history.item)) gone.add(file);
    }
    if (endsRun(record) || (isOfRow(record) && !keepsRow)) {
      untouched ??= lines.copy();
      continue;
    }
    // It stands behind its row.
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

/** The files that a row names. */
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

/** Whether a file says which run it is of: a process that was killed at once may leave one that does not. */
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
