import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { emptyFolder } from '../../e2e/command.js';

/** Files of a folder that `espalier prepare` made of a little text. */
export const wholeData = [
  'meta.json',
  'train_000001.bin',
  'train_000001.documents',
  'val_000001.bin',
  'val_000001.documents',
];

/** A shard, with what may lie beside it. */
export interface Shard {
  readonly tokens: readonly number[];
  /** 1 for each token that is learned. */
  readonly mask?: readonly number[] | undefined;
  /** Where documents begin. */
  readonly documents?: readonly number[] | undefined;
}

/** A folder with `data/`, whose splits both have these shards; gone after the test. */
export function shardsFolder(t: ExecutionContext, shards: readonly Shard[], meta?: object): string {
  const folder = emptyFolder(t);
  mkdirSync(path.join(folder, 'data'));
  for (const split of ['train', 'val']) {
    for (const [i, { tokens, mask, documents }] of shards.entries()) {
      const file = path.join(folder, 'data', `${split}_${String(i + 1).padStart(6, '0')}`);
      writeFileSync(`${file}.bin`, Uint16Array.from(tokens));
      if (mask !== undefined) writeFileSync(`${file}.mask`, packed(mask));
      if (documents !== undefined) writeFileSync(`${file}.documents`, BigUint64Array.from(documents, BigInt));
    }
  }
  if (meta !== undefined) writeFileSync(path.join(folder, 'data/meta.json'), JSON.stringify(meta));
  return folder;
}

function packed(mask: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(mask.length / 8));
  for (const [i, bit] of mask.entries()) bytes[i >> 3] = (bytes[i >> 3] ?? 0) | (bit << (i & 7));
  return bytes;
}

/** Where documents of these lengths begin. */
export function startsOf(lengths: readonly number[]): Float64Array {
  let at = 0;
  return Float64Array.from(lengths, (length) => (at += length) - length);
}
