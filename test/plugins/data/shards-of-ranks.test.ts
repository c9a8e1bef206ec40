import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { shareOfRank } from '../../../core/run/batches.js';
import { BatchSource, Ranks } from '../../../core/index.js';
import type { Run } from '../../../core/run/run.js';
import { memoryRanks, testRun } from '../../../plugins/testing/contract.js';
import { emptyFolder } from '../../e2e/command.js';
import { linux, needing } from '../../needs.js';

const SHARDS = 24;
const TOKENS = 64;
const BLOCK = 8;
const RANKS = 3;

/** A folder of many small shards, with a `meta.json` as `espalier prepare` writes it. */
function manyShards(t: ExecutionContext): string {
  const cwd = emptyFolder(t);
  const data = path.join(cwd, 'data');
  mkdirSync(data);
  const write = (file: string, first: number): object => {
    const bytes = new Uint8Array(Uint16Array.from({ length: TOKENS }, (_, i) => (first + i) % 500).buffer);
    writeFileSync(path.join(data, file), bytes);
    return { file, tokens: TOKENS, sha256: createHash('sha256').update(bytes).digest('hex') };
  };
  const shards = {
    train: Array.from({ length: SHARDS }, (_, i) => write(nameOf(i), i * TOKENS)),
    val: [write('val_000001.bin', 0)],
  };
  writeFileSync(path.join(data, 'meta.json'), JSON.stringify({ vocab_size: 500, dtype: 'uint16', shards }));
  return cwd;
}

function nameOf(shard: number): string {
  return `train_${String(shard + 1).padStart(6, '0')}.bin`;
}

async function rankOf(t: ExecutionContext, cwd: string, rank: number): Promise<Run> {
  const ranks = memoryRanks(RANKS);
  const { run } = await testRun({
    cwd,
    plugins: [ranks[rank] ?? 'no such rank'],
    config: {
      data: { dir: 'data' },
      batches: { strategy: 'sequential', prefetch: 0 },
      model: { n_layer: 1, n_embd: 4, n_head: 1, block_size: BLOCK },
    },
  });
  t.teardown(() => run.dispose());
  return run;
}

/** Names of the files of the folder that this process has open. */
function openFiles(cwd: string): string[] {
  const open = readdirSync('/proc/self/fd').flatMap((descriptor) => {
    try {
      return [readlinkSync(`/proc/self/fd/${descriptor}`)];
    } catch {
      return [];
    }
  });
  return open.filter((file) => file.startsWith(path.join(cwd, 'data'))).map((file) => path.basename(file));
}

needing(linux())('a rank opens only the shards that contain its own windows', async (t) => {
  const cwd = manyShards(t);
  const run = await rankOf(t, cwd, 1);
  t.deepEqual(openFiles(cwd), []);
  // A shard holds eight windows: of 24 windows of all ranks, those of rank 1 are the second shard of three.
  const shape = { batchSize: TOKENS / BLOCK, blockSize: BLOCK };
  const source = run.container.resolve(BatchSource);
  const { whole, rows, take } = shareOfRank(run.container.resolve(Ranks), shape);
  for (let batch = 0; batch < 3; batch++) {
    const { inputs } = take(await source.next(whole, rows));
    t.is(inputs[0], ((RANKS * batch + 1) * TOKENS) % 500);
  }
  // The last target of a shard is the first token of the next.
  const expected = [1, 4, 7].flatMap((shard) => [nameOf(shard), nameOf(shard + 1)]);
  t.deepEqual(openFiles(cwd).sort(), expected);
});

test('the ranks together check all shards: a damaged one is refused by the rank that reads it', async (t) => {
  const cwd = manyShards(t);
  const file = path.join(cwd, 'data', nameOf(4));
  const bytes = readFileSync(file);
  bytes[10] = 77;
  writeFileSync(file, bytes);
  const content: unknown[] = [];
  for (const rank of [0, 2]) {
    const run = await rankOf(t, cwd, rank);
    content.push(run.snapshot().state.plugins['token-shards']);
  }
  t.deepEqual(content[0], content[1]);
  await t.throwsAsync(rankOf(t, cwd, 1), { message: /train_000005\.bin does not have the SHA-256/ });
});
