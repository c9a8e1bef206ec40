import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { messageOf, UsageError, type Split } from '../../../core/index.js';
import { besideKinds, besideName, bytesOf, filesOf, META, PARTIAL, type Meta } from '../shared/meta.js';

/**
 * @param shown the key with its place and value, for errors
 * @throws UsageError when it is not a readable folder, or has incomplete data
 */
export function refuseUnfinished(folder: string, shown: string): void {
  const names = namesIn(folder, shown);
  const partial = names.find((name) => name.endsWith(PARTIAL));
  if (partial === undefined) return;
  throw new UsageError(
    'ESP_DATA_PARTIAL',
    `${shown} contains ${partial}: its preparation is still running, or was interrupted; run \`espalier prepare\` again`,
  );
}

function namesIn(folder: string, shown: string): string[] {
  const refuse = (what: string, cause?: unknown): UsageError =>
    new UsageError('ESP_DATA_DIR', `${shown}: ${what}`, { cause });
  if (!existsSync(folder)) {
    throw refuse(`there is no folder ${folder}; give one that \`espalier prepare\` made, or set data.text for a text`);
  }
  if (!statSync(folder).isDirectory()) {
    throw refuse(`${folder} is a file; give a folder of .bin files, or set data.text for a text`);
  }
  try {
    return readdirSync(folder);
  } catch (thrown) {
    throw refuse(`the folder ${folder} cannot be read: ${messageOf(thrown)}`, thrown);
  }
}

/** @throws UsageError when the shards, or their sizes, differ from meta.json */
export function refuseOtherFiles(folder: string, meta: Meta, found: Readonly<Record<Split, readonly string[]>>): void {
  if (meta.shards === undefined) return;
  const bytesPerToken = bytesOf(meta.dtype);
  for (const split of ['train', 'val'] as const) {
    const there = new Set(found[split].map((file) => path.basename(file)));
    for (const shard of meta.shards[split]) {
      const { file, tokens } = shard;
      if (!there.delete(file)) throw disagrees(folder, `it lists ${file}, which does not exist`);
      const { size } = statSync(path.join(folder, file));
      if (size !== tokens * bytesPerToken) {
        const expected = `${String(tokens)} tokens in ${file}, which are ${String(tokens * bytesPerToken)} bytes`;
        throw disagrees(folder, `it counts ${expected}, but the file has ${String(size)}`);
      }
      for (const kind of besideKinds) {
        const beside = besideName(file, kind);
        const isThere = existsSync(path.join(folder, beside));
        if (shard[kind] !== undefined && (shard[kind].file !== beside || !isThere))
          throw disagrees(folder, `it lists ${shard[kind].file}, which does not exist`);
        if (shard[kind] === undefined && isThere) throw disagrees(folder, `it does not list ${beside}`);
      }
    }
    const [extra] = there;
    if (extra !== undefined) throw disagrees(folder, `it does not list ${extra}`);
  }
}

/** @throws UsageError when a shard's SHA-256 differs from meta.json */
export function refuseOtherContent(folder: string, meta: Meta, hashes: ReadonlyMap<string, string>): void {
  for (const { file, sha256 } of filesOf([...(meta.shards?.train ?? []), ...(meta.shards?.val ?? [])])) {
    const hash = hashes.get(path.join(folder, file));
    if (hash !== undefined && hash !== sha256) throw disagrees(folder, `${file} does not have the SHA-256 it lists`);
  }
}

function disagrees(folder: string, how: string): UsageError {
  return new UsageError(
    'ESP_SHARD_META',
    `${path.join(folder, META)} disagrees with the shards: ${how}; prepare the data again, or copy it again`,
  );
}
