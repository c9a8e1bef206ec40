import { closeSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { openText } from './bytes.js';
import type { Input } from './inputs.js';
import { PARTIAL } from '../shared/meta.js';
import { notWritten } from './hashed-file.js';

/**
 * Copies an input that can be read only once to a file in the folder, so that it can be read twice.
 * @param number of the input, for the file's name
 */
export async function keepInput(input: Input, number: number, folder: string, signal: AbortSignal): Promise<Input> {
  const file = path.join(folder, `input-${String(number)}${PARTIAL}`);
  let size = 0;
  const descriptor = openSync(file, 'w');
  try {
    for await (const chunk of (await openText(input, () => undefined)).chunks) {
      signal.throwIfAborted();
      try {
        for (let at = 0; at < chunk.length;) at += writeSync(descriptor, chunk, at);
      } catch (thrown) {
        throw notWritten(file, thrown);
      }
      size += chunk.length;
    }
  } finally {
    closeSync(descriptor);
  }
  return { ...input, file, size, once: false };
}

/** Returns the byte at which the last `share` of each text starts, in the unpacked text without its byte order mark. */
export async function valStartsOf(
  inputs: readonly Input[],
  share: number,
  signal: AbortSignal,
): Promise<Map<Input, number>> {
  const starts = new Map<Input, number>();
  for (const input of inputs) {
    if (input.format !== 'text' || input.split !== undefined) continue;
    starts.set(input, Math.floor((await unpackedSize(input, signal)) * (1 - share)));
  }
  return starts;
}

async function unpackedSize(input: Input, signal: AbortSignal): Promise<number> {
  const { chunks, mark, packed } = await openText(input, () => undefined);
  if (!packed && mark === 0 && input.size !== undefined) {
    await chunks.return(undefined);
    return input.size;
  }
  let size = 0;
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    size += chunk.length;
  }
  return size;
}
