import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { emptyFolder, sharedFolder } from './command.js';
import { espalier } from './warm.js';

const debug = ['train', '--preset', 'debug', '--set', 'engine=auto', '--set', 'precision=f32'];

const prepared = sharedFolder();
test.before(async (t) => {
  for (const [name, word] of [
    ['one', 'espalier '],
    ['two', 'trellis! '],
  ] as const) {
    writeFileSync(
      path.join(prepared, `${name}.txt`),
      Array.from({ length: 800 }, (_, i) => `${word}${String(i)}`).join(' '),
    );
    const { code, err } = await espalier(
      prepared,
      'prepare',
      `${name}.txt`,
      '-t',
      'bytes',
      '-o',
      `data/${name}`,
      '--shard-tokens',
      '3000',
    );
    t.is(code, 0, err);
  }
});

/** A folder with two prepared corpora, `data/one` and `data/two`. */
function corpora(t: ExecutionContext): string {
  const folder = emptyFolder(t);
  cpSync(prepared, folder, { recursive: true });
  return folder;
}

function losses(folder: string, run: string): string[] {
  return readFileSync(path.join(folder, run, 'metrics.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line.includes('"train/loss"'))
    .map((line) => line.replace(/,"(time|tokens_per_second|throughput)[^,}]*/g, ''));
}

test('the guide’s strategy is the shipped one, and works from a file', async (t) => {
  const page = readFileSync('docs/plugins/batch-strategy.md', 'utf8');
  const code = /of the built-in `mixture`\.[^]*?```ts[^\n]*\n([^]*?)```/.exec(page)?.[1] ?? '';
  const shipped = readFileSync('plugins/batches/mixture.ts', 'utf8');
  const body = (file: string): string => file.slice(file.indexOf('export default'));
  t.is(body(code), body(shipped).replace('ESP_MIXTURE', 'MIXTURE'));

  const folder = corpora(t);
  writeFileSync(path.join(folder, 'my-mixture.ts'), code.replace("name: 'batches-mixture'", "name: 'mine'"));
  const train = (strategy: string, out: string) => {
    const batches = `batches={strategy: ${strategy}, weights: {data/one: 1, data/two: 4}}`;
    return espalier(folder, ...debug, '-s', 'data={dir: [data/one, data/two]}', '-s', batches, '-s', `run.dir=${out}`);
  };
  const own = await train('./my-mixture.ts', 'own');
  t.is(own.code, 0, own.err);
  const built = await train('mixture', 'built');
  t.is(built.code, 0, built.err);
  t.true(losses(folder, 'own').length > 0);
  t.deepEqual(
    losses(folder, 'own').map((line) => /"train\/loss":[^,}]*/.exec(line)?.[0]),
    losses(folder, 'built').map((line) => /"train\/loss":[^,}]*/.exec(line)?.[0]),
  );
});

test('curriculum works from the command line, publishes its distances, and a schedule changes its alpha', async (t) => {
  const folder = corpora(t);
  writeFileSync(
    path.join(folder, 'plan.yaml'),
    '- { name: set_curriculum_alpha, value: 0, trigger_loss: 100, max_wait_iters: 1, reevaluate: false }\n',
  );
  const batches = 'batches={strategy: curriculum, candidates: 30, round: 5}';
  const schedule = 'plugins.scaling-schedule.file=plan.yaml';
  const { code, err } = await espalier(folder, ...debug, '-s', 'data={dir: data/one}', '-s', batches, '-s', schedule);
  t.is(code, 0, err);
  const metrics = readFileSync(path.join(folder, 'runs/debug/metrics.jsonl'), 'utf8');
  t.regex(metrics, /"batches\/distance_to_corpus":0\.\d+/);
  t.regex(metrics, /"batches\/alpha":1/);
  t.regex(metrics, /"batches\/alpha":0[,}]/);
  const wrong = await espalier(
    folder,
    ...debug,
    '-s',
    'data={dir: data/one}',
    '-s',
    'batches={strategy: curriculum, alpha: 2}',
  );
  t.is(wrong.code, 2);
  t.regex(wrong.err, /batches\.alpha/);
});

test('folders with different vocabularies are refused', async (t) => {
  const folder = corpora(t);
  const other = await espalier(folder, 'prepare', 'two.txt', '-t', 'char', '-o', 'data/chars');
  t.is(other.code, 0, other.err);
  const { code, err } = await espalier(folder, ...debug, '-s', 'data={dir: [data/one, data/chars]}');
  t.is(code, 2);
  t.regex(
    err,
    /data\/one \(tokenizer bytes, 257 tokens\) and data\/chars \(tokenizer char, \d+ tokens\) have different/,
  );
});

test('a resumed run refuses changed data by shard, unless --allow-data-change is given', async (t) => {
  const folder = corpora(t);
  const set = ['-s', 'data={dir: data/one}', '-s', 'model.vocab_size=257'];
  const train = (...more: string[]) => espalier(folder, ...debug, ...set, ...more);
  const first = await train('-s', 'train.max_iters=10');
  t.is(first.code, 0, first.err);

  rmSync(path.join(folder, 'data/one/meta.json'));
  const shard = path.join(folder, 'data/one/train_000002.bin');
  const whole = readFileSync(shard);
  writeFileSync(
    shard,
    Uint8Array.from(whole, (byte, i) => (i === 0 ? (byte === 65 ? 66 : 65) : byte)),
  );
  const other = await train('--resume');
  t.is(other.code, 2, other.err);
  t.regex(
    other.err,
    /train_000002\.bin \(train\) has other content \(another SHA-256\).*--allow-data-change.*ESP_DATA_CHANGED/,
  );

  truncateSync(shard, 2000);
  const shorter = await train('--resume');
  t.is(shorter.code, 2);
  t.regex(shorter.err, /train_000002\.bin \(train\) has 1000 tokens and had 3000/);

  const allowed = await train('--resume', '--allow-data-change');
  t.is(allowed.code, 0, allowed.err);
  t.regex(allowed.err + allowed.out, /resuming with other data: train_000002\.bin/);
});
