import {
  appendFileSync,
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { emptyFolder, sharedFolder } from '../../e2e/command.js';
import { espalier } from '../../e2e/warm.js';
import { llmCShard } from '../../e2e/packed.js';
import { needing, ordinaryUser } from '../../needs.js';

const train = ['train', '--preset', 'debug', '--set', 'engine=auto', '--set', 'data={dir: data}'];
const tokens = new Uint16Array(1000).fill(5);

interface BadShards {
  what: string;
  /** Harms data that is whole; `file` gives the path of a file of it. */
  harm: (file: (name: string) => string) => void;
  message: RegExp;
}

const cases: BadShards[] = [
  {
    what: 'a shard that is cut in the middle of a token',
    harm: (file) => truncateSync(file('train_000001.bin'), 701),
    message: /meta\.json disagrees.*train_000001\.bin.*701.*ESP_SHARD_META/,
  },
  {
    what: 'the same without meta.json',
    harm: (file) => {
      rmSync(file('meta.json'));
      truncateSync(file('train_000001.bin'), 701);
    },
    message: /train_000001\.bin has 701 bytes.*uint16.*cut off.*ESP_SHARD_LENGTH/,
  },
  {
    what: 'a shard shorter than a block',
    harm: (file) => {
      rmSync(file('meta.json'));
      truncateSync(file('val_000001.bin'), 8);
    },
    message: /the val data has 4 tokens: a block of \d+ needs.*ESP_DATA_SHORT/,
  },
  {
    what: 'an empty folder',
    harm: (file) => {
      for (const name of readdirSync(file(''))) rmSync(file(name));
    },
    message: /data\.dir data has no train\.bin and no train shards.*ESP_DATA_DIR/,
  },
  {
    what: 'ids over the vocabulary',
    harm: (file) => {
      for (const name of readdirSync(file(''))) rmSync(file(name));
      for (const split of ['train', 'val']) writeFileSync(file(`${split}.bin`), Buffer.from(tokens.buffer));
      writeFileSync(file('meta.json'), '{"vocab_size": 5}');
    },
    message: /train\.bin: token 0 has the id 5, but the vocabulary has 5 tokens.*ESP_TOKEN_ID/,
  },
  {
    what: 'a shard that meta.json lists and that is gone',
    harm: (file) => rmSync(file('train_000002.bin')),
    message: /disagrees.*lists train_000002\.bin, which does not exist.*ESP_SHARD_META/,
  },
  {
    what: 'a shard that meta.json does not list',
    harm: (file) => writeFileSync(file('train_000009.bin'), Buffer.from(tokens.buffer)),
    message: /disagrees.*does not list train_000009\.bin.*ESP_SHARD_META/,
  },
  {
    what: 'shards whose names were swapped',
    harm: (file) => {
      renameSync(file('train_000001.bin'), file('other'));
      renameSync(file('train_000002.bin'), file('train_000001.bin'));
      renameSync(file('other'), file('train_000002.bin'));
    },
    message: /disagrees.*train_000001\.bin does not have the SHA-256.*ESP_SHARD_META/,
  },
  {
    what: 'a meta.json that is cut off',
    harm: (file) => truncateSync(file('meta.json'), 40),
    message: /meta\.json cannot be used.*ESP_DATA_META/,
  },
  {
    what: 'an llm.c shard that is cut off',
    harm: (file) => {
      for (const name of readdirSync(file(''))) rmSync(file(name));
      for (const split of ['train', 'val']) writeFileSync(file(`${split}.bin`), llmCShard(tokens, 2000));
    },
    message: /train\.bin has 3024 bytes.*llm\.c header counts 2000 tokens.*ESP_SHARD_LENGTH/,
  },
  {
    what: 'a file in place of the folder',
    harm: (file) => {
      rmSync(file(''), { recursive: true });
      writeFileSync(file(''), '');
    },
    message: /data\.dir data: .*data is a file; give a folder.*ESP_DATA_DIR/,
  },
];

const whole = sharedFolder();
test.before(async (t) => {
  writeFileSync(path.join(whole, 'a.txt'), Array.from({ length: 1000 }, (_, i) => String(i)).join(' '));
  const made = await espalier(whole, 'prepare', 'a.txt', '-t', 'bytes', '-o', 'data', '--shard-tokens', '1500');
  t.is(made.code, 0, made.err);
});

for (const { what, harm, message } of cases) {
  test(`${what}: exit code 2, a clear message, nothing created`, async (t) => {
    const folder = emptyFolder(t);
    cpSync(whole, folder, { recursive: true });
    harm((name) => path.join(folder, 'data', name));
    const before = readdirSync(folder, { recursive: true });
    const { code, err } = await espalier(folder, ...train);
    t.is(code, 2, err);
    t.regex(err, message);
    t.notRegex(err, /^\s+at /m, 'a stack trace');
    t.deepEqual(readdirSync(folder, { recursive: true }), before);
  });
}

needing(ordinaryUser())('a folder without permission is named', async (t) => {
  const folder = emptyFolder(t);
  mkdirSync(path.join(folder, 'data'));
  appendFileSync(path.join(folder, 'data/train.bin'), 'ab');
  chmodSync(path.join(folder, 'data'), 0);
  const { code, err } = await espalier(folder, ...train);
  chmodSync(path.join(folder, 'data'), 0o700);
  t.is(code, 2, err);
  t.regex(err, /data\.dir data: the folder .*data cannot be read: .*permission.*ESP_DATA_DIR/);
});
