import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { emptyFolder, sharedFolder, type Outcome } from '../../e2e/command.js';
import { espalier } from '../../e2e/warm.js';

const debug = ['--preset', 'debug', '--set', 'engine=auto'];

interface Mapping {
  size: number;
  rare_id: number;
  covered: number;
  tokens_for_90: number;
  tokens: number[];
  full_vocab: number;
}

const prepared = sharedFolder();
test.before(async (t) => {
  writeFileSync(path.join(prepared, 'a.txt'), 'sette tests set; test these sets! '.repeat(300));
  const { code, err } = await espalier(prepared, 'prepare', 'a.txt', '-t', 'bytes', '-o', 'data');
  t.is(code, 0, err);
});

/** A folder with `data`, 90 % of which is the letters of `sette`, and `map.json`. */
async function shrunken(
  t: ExecutionContext,
  ...build: string[]
): Promise<{ folder: string; map: () => Mapping; made: Outcome }> {
  const folder = emptyFolder(t);
  cpSync(prepared, folder, { recursive: true });
  const made = await espalier(folder, 'vocab', 'build', 'data', '-o', 'map.json', ...build);
  return { folder, map: () => JSON.parse(readFileSync(path.join(folder, 'map.json'), 'utf8')) as Mapping, made };
}

test('count, build, train, sample and evaluate with a shrunken vocabulary', async (t) => {
  const { folder, map, made } = await shrunken(t, '--size', '5');
  t.is(made.code, 0, made.err);
  t.regex(made.out, /map\.json: 5 tokens, which cover \d+\.\d+ %; the others are token 4/);
  const { tokens, rare_id, full_vocab, covered } = map();
  t.is(String.fromCharCode(...tokens.toSorted((a, b) => a - b)), ' est');
  t.is(rare_id, 4);
  t.is(full_vocab, 257);
  t.true(covered > 0.85 && covered < 1);

  const counted = await espalier(folder, 'vocab', 'count', 'data', '--json');
  const { counts, tokens: total } = JSON.parse(counted.out) as { counts: number[]; tokens: number };
  t.is(
    counts.reduce((sum, count) => sum + count, 0),
    total,
  );
  const lines = await espalier(folder, 'vocab', 'count', 'data');
  t.regex(
    lines.out,
    /of the vocabulary's 257 occur\n {2}90 % are covered by \d+ tokens\n {2}99 % are covered by \d+ tokens/,
  );

  const train = ['train', ...debug, '-s', 'data={dir: data}', '-s', 'plugins.vocab-remap.file=map.json'];
  const trained = await espalier(
    folder,
    ...train,
    '-s',
    'train.max_iters=60',
    '-s',
    'lr.decay_iters=60',
    '-s',
    'run.dir=run',
  );
  t.is(trained.code, 0, trained.err);
  t.regex(trained.err + trained.out, /vocabulary shrunken from 257 to 5 tokens, which cover/);
  const metrics = readFileSync(path.join(folder, 'run/metrics.jsonl'), 'utf8');
  const accuracies = [...metrics.matchAll(/"val\/core_accuracy":([\d.e-]+)/g)].map((found) => Number(found[1]));
  t.true(accuracies.length >= 2 && accuracies.every((each) => each >= 0 && each <= 1));

  const sample = await espalier(folder, 'sample', 'run', '-n', '80', '--prompt', 'set!', '--engine', 'cpu');
  t.is(sample.code, 0, sample.err);
  t.regex(sample.out, /^set�[set �]{40,}/);

  const evaluated = await espalier(folder, 'evaluate', 'run', '--json');
  t.is(evaluated.code, 0, evaluated.err);
  const { 'val/loss': loss } = JSON.parse(evaluated.out) as { 'val/loss': number };
  t.true(loss < Math.log(5), 'the model is better than a guess among five');
});

test('--cover keeps as many tokens as cover the share', async (t) => {
  const { map, made } = await shrunken(t, '--cover', '0.9');
  t.is(made.code, 0, made.err);
  t.is(map().size, map().tokens_for_90 + 1);
  t.true(map().covered >= 0.9);
});

test('a mapping that does not match is refused with the wrong number', async (t) => {
  const { folder, made } = await shrunken(t, '--size', '6');
  t.is(made.code, 0, made.err);
  const file = path.join(folder, 'map.json');
  const good = JSON.parse(readFileSync(file, 'utf8')) as Mapping;
  const refused = async (message: RegExp, change: object, ...set: string[]): Promise<void> => {
    writeFileSync(file, JSON.stringify({ ...good, ...change }));
    const sets = ['data={dir: data}', 'plugins.vocab-remap.file=map.json', ...set].flatMap((each) => ['-s', each]);
    const { code, err } = await espalier(folder, 'train', ...debug, ...sets);
    t.is(code, 2, err);
    t.regex(err, message);
  };
  await refused(/built for a vocabulary of 300 tokens, but the data has 257.*ESP_VOCAB_DATA/, { full_vocab: 300 });
  await refused(/model\.vocab_size is 400, but .*map\.json has 6 tokens.*ESP_VOCAB_MODEL/, {}, 'model.vocab_size=400');
  await refused(/rare_id is 9, and size - 1 is 5.*ESP_VOCAB_MAP/, { rare_id: 9 });
  await refused(/lists 4 tokens, and size - 1 is 5/, { tokens: good.tokens.slice(1) });
  await refused(/token 999 is not below full_vocab 257/, { tokens: [...good.tokens.slice(1), 999] });
  await refused(/is listed twice/, { tokens: [...good.tokens.slice(1), good.tokens[1]] });
  await refused(/rare_id/, { rare_id: undefined });
  const missing = await espalier(folder, 'train', ...debug, '-s', 'data={dir: data}', '-s', 'plugins.vocab-remap={}');
  t.regex(missing.err, /plugins\.vocab-remap\.file/);
});

test('vocab build says what it needs', async (t) => {
  const { made } = await shrunken(t);
  t.is(made.code, 2);
  t.regex(made.err, /needs --size TOKENS or --cover SHARE/);
  const { made: over } = await shrunken(t, '--size', '1000');
  t.is(over.code, 2);
  t.regex(over.err, /--size 1000 is larger than the vocabulary of the data, 257/);
});
