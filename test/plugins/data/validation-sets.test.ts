import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Dataset, Engine, UsageError, type TokenReader } from '../../../core/index.js';
import { fullLoss, shrunkenIds } from '../../../plugins/index.js';
import { buildVocabMap, rankTokens } from '../../../plugins/data/shared/vocab-map.js';
import { assertResumes, testRanks, testRun, trainTogether, type TestRun } from '../../../plugins/testing/contract.js';
import { espalier } from '../../e2e/warm.js';
import { text, textFolder } from '../../text.js';

const characters = [...new Set(text)].sort();
const wiki = 'a lazy fox over the brown dog. '.repeat(9);
const code = 'jumps quick jumps. '.repeat(11);

/** Ids of a text as the character tokenizer gives them. */
function idsOf(text: string): Uint16Array {
  return Uint16Array.from(Array.from(text, (character) => characters.indexOf(character)));
}

/** A folder with the training text, a text `wiki.txt`, and a folder `code` of token files. */
function folderWithSets(t: ExecutionContext, meta: object = {}): string {
  const folder = textFolder(t);
  writeFileSync(path.join(folder, 'wiki.txt'), wiki);
  mkdirSync(path.join(folder, 'code'));
  writeFileSync(path.join(folder, 'code/val.bin'), idsOf(code));
  const tokenizer = { tokenizer: 'char', characters: characters.join('') };
  const about = { vocab_size: characters.length, dtype: 'uint16', tokenizer, ...meta };
  writeFileSync(path.join(folder, 'code/meta.json'), JSON.stringify(about));
  return folder;
}

const sets = { wiki: 'wiki.txt', code: 'code' };

async function runWith(t: ExecutionContext, cwd: string, validation: object, ...set: string[]): Promise<TestRun> {
  const config = { data: { text: 'text.txt', validation } };
  const run = await testRun({ cwd, config, set, iterations: 3 });
  t.teardown(() => run.dispose());
  return run;
}

function read(reader: TokenReader): number[] {
  const into = new Int32Array(reader.length);
  reader.read(0, reader.length, into, 0);
  return [...into];
}

test('validation sets from a text and from a folder are measured at evaluations', async (t) => {
  const made = await runWith(t, folderWithSets(t), sets, 'plugins.evaluation.full=true');
  const { run, events } = made;
  const data = run.container.resolve(Dataset);
  t.deepEqual(read(data.validationSet?.('wiki') ?? data.split('val')), [...idsOf(wiki)]);
  t.deepEqual(read(data.validationSet?.('code') ?? data.split('val')), [...idsOf(code)]);
  t.true(data.description.endsWith('; validation sets wiki (279 tokens), code (209 tokens)'), data.description);
  await made.train();
  const shape = { batchSize: 2, blockSize: 8 };
  for (const name of ['wiki', 'code']) {
    const reader = data.validationSet?.(name) ?? data.split('val');
    const expected = await fullLoss(run.model, reader, shape, { engine: run.container.resolve(Engine) });
    t.is(events.metric(`val/loss/${name}`).get(3), expected);
  }
  t.deepEqual(
    made.log.filter(({ level }) => level === 'warn'),
    [],
  );
});

test('an estimate uses the same windows each time, and does not affect training', async (t) => {
  const folder = folderWithSets(t);
  const options = { cwd: folder, config: { data: { text: 'text.txt', validation: sets } } };
  await assertResumes(options, [{ event: 'evaluation:batch', at: 3, nth: 3 }]);
  const [first, again] = [
    await runWith(t, folder, sets),
    await runWith(t, folder, sets, 'plugins.evaluation.at_start=true'),
  ];
  const without = await runWith(t, folder, {});
  for (const run of [first, again, without]) await run.train();
  t.deepEqual(again.events.metric('val/loss/wiki').get(3), first.events.metric('val/loss/wiki').get(3));
  t.deepEqual(without.weights(), first.weights());
});

test('two ranks get the same loss of each set', async (t) => {
  const config = { data: { text: 'text.txt', validation: sets }, plugins: { evaluation: { full: true } } };
  const options = { cwd: folderWithSets(t), config, iterations: 3 };
  const ranks = await testRanks(2, { ...options, set: ['train.batch_size=1'] });
  const one = await testRun(options);
  for (const run of [...ranks, one]) t.teardown(() => run.dispose());
  await trainTogether(ranks);
  await one.train();
  for (const name of ['val/loss/wiki', 'val/loss/code']) {
    const [first, second] = ranks.map(({ events }) => events.metric(name).get(3));
    t.is(first, second);
    t.true(Math.abs((first ?? NaN) - (one.events.metric(name).get(3) ?? NaN)) < 1e-5);
  }
});

test('validation sets use the shrunken vocabulary, too', async (t) => {
  const folder = folderWithSets(t);
  const counts = characters.map((character) => text.split(character).length - 1);
  const map = buildVocabMap(rankTokens(counts), 10, { data: 'text.txt', tokens: text.length, id: 'test' });
  writeFileSync(path.join(folder, 'map.json'), JSON.stringify(map));
  const made = await runWith(t, folder, sets, 'plugins.vocab-remap.file=map.json');
  const data = made.run.container.resolve(Dataset);
  t.deepEqual(data.validationSets, ['wiki', 'code']);
  const ids = shrunkenIds(map);
  t.deepEqual(
    read(data.validationSet?.('code') ?? data.split('val')),
    [...idsOf(code)].map((id) => ids[id] ?? -1),
  );
});

test('the loss of a set that does not exist is not a metric', async (t) => {
  const monitor = (name: string): Promise<TestRun> =>
    runWith(t, folderWithSets(t), sets, `plugins.early-stopping.monitor=val/loss/${name}`);
  await t.notThrowsAsync(monitor('wiki'));
  await t.throwsAsync(monitor('wkii'), { message: /"val\/loss\/wkii": did you mean "val\/loss\/wiki"\?/ });
});

for (const [what, validation, meta, message] of [
  ['a character without a token', { wiki: 'strange.txt' }, {}, /data\.validation\.wiki strange\.txt: .*§/],
  ['no such file', { wiki: 'wikki.txt' }, {}, /data\.validation\.wiki wikki\.txt: there is no file or folder/],
  ['a text that is too short', { wiki: 'short.txt' }, {}, /data\.validation\.wiki has 3 tokens: a block of 8 needs/],
  ['a folder without validation data', { wiki: ['empty'] }, {}, /data\.validation\.wiki empty has no val\.bin/],
  [
    'another vocabulary',
    { code: 'code' },
    { vocab_size: 99 },
    /data\.validation\.code code \(tokenizer char, 99 tokens\) has another vocabulary than the data \(tokenizer char, 28 tokens\)/,
  ],
  [
    'another tokenizer',
    { code: 'code' },
    { tokenizer: { tokenizer: 'bytes' } },
    /data\.validation\.code code \(tokenizer bytes, 28 tokens\) has another vocabulary/,
  ],
  [
    'a name with a comma',
    { 'a,b': 'wiki.txt' },
    {},
    /data\.validation\.a,b: the name of a set must not contain spaces, commas or asterisks/,
  ],
] as const) {
  test(`refused with its key: ${what}`, async (t) => {
    const folder = folderWithSets(t, meta);
    writeFileSync(path.join(folder, 'strange.txt'), '§'.repeat(20));
    writeFileSync(path.join(folder, 'short.txt'), 'fox');
    mkdirSync(path.join(folder, 'empty'));
    const error = await t.throwsAsync(runWith(t, folder, validation), { instanceOf: UsageError });
    t.regex(error.message, message);
  });
}

test('espalier evaluate measures each whole set, and names the config’s place in errors', async (t) => {
  const folder = folderWithSets(t);
  const config = { data: { text: 'text.txt', validation: sets } };
  await using made = await testRun({ cwd: folder, folder: path.join(folder, 'out'), iterations: 3, config });
  await made.train();
  const evaluate = async (...flags: string[]) => espalier(folder, 'evaluate', 'out', '--iters', '1', ...flags);
  const { out } = await evaluate('--only', 'wiki', '--json');
  t.deepEqual(Object.keys(JSON.parse(out) as object), ['checkpoint', 'iteration', 'val/loss/wiki']);
  t.regex((await evaluate()).out, /\nval loss +\d.*\nval loss of wiki \d\.\d{4}\nval loss of code \d\.\d{4}\n$/);
  writeFileSync(
    path.join(folder, 'my.yaml'),
    'extends: [debug]\ndata:\n  text: text.txt\n  validation:\n    wiki: gone.txt\n',
  );
  const refused = await espalier(folder, 'train', '--config', 'my.yaml', '--dry-run');
  t.is(refused.code, 2);
  t.regex(refused.err, /my\.yaml:5: data\.validation\.wiki gone\.txt: there is no file or folder/);
});
