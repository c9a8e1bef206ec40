import {
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { retriedSync, unfinishedBeside } from '../../files/contract.js';

/** A part of a file: its first byte, and the one after its last. */
export interface FilePart {
  readonly start: number;
  readonly end: number;
}

const COPY_BYTES = 2 ** 20;

/**
 * Keeps these parts of a file and drops everything else. Parts at the start stay where they are: if only the end goes,
 * the file is truncated; otherwise it is rewritten next to itself and renamed. Memory does not grow with the file.
 * @param partsOf called with a descriptor to read from; yields the parts to keep, in order
 * @throws the system's error, except for a file that does not exist, which has nothing to drop
 */
export function keepParts(file: string, partsOf: (descriptor: number) => Iterable<FilePart>): void {
  const from = openIfThere(file);
  if (from === undefined) return;
  // Follow links, to replace the file itself.
  const target = realpathSync(file);
  const drafted = unfinishedBeside(target);
  let draft: number | undefined;
  let kept = 0;
  let isDone = false;
  const { size, mode } = fstatSync(from);
  try {
    for (const { start, end } of partsOf(from)) {
      if (draft === undefined && start !== kept) {
        draft = openSync(drafted, 'w', mode);
        copy(from, draft, 0, kept);
      }
      if (draft !== undefined) copy(from, draft, start, end);
      kept = draft === undefined ? end : kept + end - start;
    }
    if (draft !== undefined) fsyncSync(draft);
    isDone = true;
  } finally {
    // Windows cannot rename an open file.
    closeSync(from);
    if (draft !== undefined) closeSync(draft);
    if (!isDone) rmSync(drafted, { force: true });
  }
  if (draft !== undefined) {
    retriedSync(() => {
      renameSync(drafted, target);
    });
  } else if (kept < size) truncateSync(file, kept);
}

function openIfThere(file: string): number | undefined {
  try {
    return openSync(file, 'r');
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined;
    throw thrown;
  }
}

function copy(from: number, to: number, start: number, end: number): void {
  const buffer = Buffer.allocUnsafe(Math.min(COPY_BYTES, end - start));
  for (let at = start; at < end;) {
    const read = readSync(from, buffer, 0, Math.min(buffer.length, end - at), at);
    if (read === 0) throw new Error('the file became shorter while it was read');
    for (let written = 0; written < read;) written += writeSync(to, buffer, written, read - written);
    at += read;
  }
}
