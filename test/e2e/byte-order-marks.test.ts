import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { byteLevelTokenizer } from '../plugins/tokenizers/hf-definition.js';
import { emptyFolder } from './command.js';
import { espalier } from './warm.js';

const MARK = '\ufeff';
const text = 'Call me Ishmael. Some years ago, never mind how long precisely.\n'.repeat(20);
const schedule = [{ name: 'set_lr', value: 0.0005, trigger_loss: 3, max_wait_iters: 100, reevaluate: false }];
const vocabMap = {
  format: 1,
  full_vocab: 4,
  size: 3,
  rare_id: 2,
  covered: 0.9,
  tokens_for_90: 2,
  tokens_for_99: 3,
  built_from: { data: 'a', tokens: 10, id: 'a' },
  tokens: [0, 1],
};

/** What reads each file, and what it prints; the file has a byte order mark. */
const readers: readonly { file: string; content: string; args: string[]; prints: RegExp }[] = [
  {
    file: 'a.yaml',
    content: 'seed: 77\ndata: { text: a.txt }\n',
    args: ['explain', '-c', 'a.yaml', 'seed'],
    prints: /seed {2}77 .*a\.yaml:1/,
  },
  {
    file: 'a.json',
    content: '{ "seed": 77, "data": { "text": "a.txt" } }',
    args: ['explain', '-c', 'a.json', 'seed'],
    prints: /seed {2}77/,
  },
  {
    file: 'a.ts',
    content: 'export default { seed: 77, data: { text: "a.txt" } };',
    args: ['explain', '-c', 'a.ts', 'seed'],
    prints: /seed {2}77/,
  },
  {
    file: 's.yaml',
    content: JSON.stringify(schedule),
    args: ['schedule', 'check', 's.yaml', '--preset', 'debug'],
    prints: /learning_rate: 0\.001 -> 0\.0005/,
  },
  {
    file: 't.json',
    content: JSON.stringify(byteLevelTokenizer()),
    args: ['prepare', 'a.txt', '-t', 't.json', '-o', 'out'],
    prints: /tokenizer hf/,
  },
  {
    file: 'n.py',
    content: 'batch_size = 8\n',
    args: ['migrate', 'n.py'],
    prints: /batch_size: 8/,
  },
];

for (const { file, content, args, prints } of readers) {
  test(`${args.join(' ')}: ${file} may start with a byte order mark`, async (t) => {
    const folder = emptyFolder(t);
    writeFileSync(path.join(folder, 'a.txt'), text);
    writeFileSync(path.join(folder, file), MARK + content);
    const done = await espalier(folder, ...args);
    t.is(done.code, 0, done.err);
    t.regex(done.out, prints);
    if (file.endsWith('.ts')) return;
    writeFileSync(path.join(folder, file), Buffer.from(MARK + content, 'utf16le'));
    const refused = await espalier(folder, ...args);
    t.is(refused.code, 2);
    t.regex(refused.err, new RegExp(`${file.replace('.', '\\.')}.*it is UTF-16: save it as UTF-8.*iconv.*\\[ESP_`));
  });
}

test('data.text, meta.json, a vocabulary map and a prompt may start with one', async (t) => {
  const folder = emptyFolder(t);
  const write = (file: string, content: string): void => {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), content);
  };
  write('a.txt', MARK + text);
  write('prompt.txt', `${MARK}Call`);
  const small = ['--preset', 'debug', '--set', 'train.max_iters=1', '--set', 'model.n_embd=8', '--quiet'];
  const trained = await espalier(folder, 'train', ...small, '--set', 'data={text: a.txt}', '--set', 'run.dir=run');
  t.is(trained.code, 0, trained.err);
  const sampled = await espalier(folder, 'sample', 'run', '--prompt-file', 'prompt.txt', '--tokens', '0');
  t.deepEqual(sampled, { code: 0, out: 'Call\n', err: '' });

  const bytes = Buffer.from(Uint16Array.from({ length: 200 }, (_, i) => i % 4).buffer);
  write('data/train.bin', '');
  writeFileSync(path.join(folder, 'data/train.bin'), bytes);
  copyFileSync(path.join(folder, 'data/train.bin'), path.join(folder, 'data/val.bin'));
  write('data/meta.json', `${MARK}{ "vocab_size": 4 }`);
  write('map.json', MARK + JSON.stringify(vocabMap));
  const shrunken = [
    '--set',
    'data={dir: data}',
    '--set',
    'plugins.vocab-remap.file=map.json',
    '--set',
    'run.dir=run-2',
  ];
  const remapped = await espalier(folder, 'train', ...small, ...shrunken);
  t.is(remapped.code, 0, remapped.err);
});
