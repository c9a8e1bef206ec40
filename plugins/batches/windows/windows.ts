import { UsageError } from '../../../core/errors.js';
import type { Batch, BatchProgress, BatchShape, RandomStream, Rows, TokenReader } from '../../../core/index.js';

/** Reads the batch whose row `i` is the window that starts at `starts[i]`; targets are shifted by one token. */
export function windowsAt(reader: TokenReader, starts: readonly number[], { batchSize, blockSize }: BatchShape): Batch {
  const inputs = new Int32Array(batchSize * blockSize);
  const targets = new Int32Array(batchSize * blockSize);
  readWindows(reader, starts, { inputs, targets, blockSize });
  return { inputs, targets, batchSize, blockSize };
}

/** Reads the window that starts at `starts[i]` into row `i` of `inputs` and `targets`, each [batch, block]. */
export function readWindows(
  reader: TokenReader,
  starts: ArrayLike<number>,
  { inputs, targets, blockSize }: Omit<Batch, 'batchSize'>,
): void {
  for (let row = 0; row < starts.length; row++) {
    const start = starts[row] ?? 0;
    reader.read(start, blockSize, inputs, row * blockSize);
    readTargets(reader, start + 1, blockSize, targets, row * blockSize);
  }
}

/** Reads tokens as targets: -1 for those that the reader excludes from the loss. */
export function readTargets(reader: TokenReader, at: number, count: number, into: Int32Array, offset: number): void {
  if (reader.readTargets === undefined) reader.read(at, count, into, offset);
  else reader.readTargets(at, count, into, offset);
}

/** Returns the shard that a position is in, and the position within it, for logs. */
export function placeOf({ parts }: TokenReader, position: number): Pick<BatchProgress, 'shard' | 'position'> {
  const shard = parts.findLastIndex((part) => part.start <= position);
  return { shard, position: position - (parts[shard]?.start ?? 0) };
}

/** Returns the number of adjacent windows that fit, each with the token after it. */
export function windowsIn(reader: TokenReader, blockSize: number): number {
  return Math.floor((reader.length - 1) / blockSize);
}

/** Reads uniformly random windows, or some rows of that batch. */
export function randomWindows(
  reader: TokenReader,
  random: RandomStream,
  { batchSize, blockSize }: BatchShape,
  { first, count }: Rows = { first: 0, count: batchSize },
): Batch {
  const starts = Array.from({ length: batchSize }, () => random.below(reader.length - blockSize));
  return windowsAt(reader, starts.slice(first, first + count), { batchSize: count, blockSize });
}

/** @throws UsageError when a split is too short for one window and the token after it */
export function refuseShort(reader: { readonly length: number }, split: string, blockSize: number): void {
  if (reader.length > blockSize) return;
  throw new UsageError(
    'ESP_DATA_SHORT',
    `the ${split} data has ${String(reader.length)} tokens: a block of ${String(blockSize)} needs at least ${String(blockSize + 1)}; give more text or a smaller model.block_size`,
  );
}
