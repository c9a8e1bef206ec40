import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Dataset } from '../../core/index.js';
import { testRun } from '../../plugins/testing/contract.js';
import { emptyFolder } from '../e2e/command.js';
import { espalier } from '../e2e/warm.js';

/** A folder with files that a page shows. */
function folderWith(t: ExecutionContext, page: string, ...names: string[]): string {
  const folder = emptyFolder(t);
  for (const name of names) writeFileSync(path.join(folder, name), shownIn(page, name));
  return folder;
}

function shownIn(page: string, name: string): string {
  const shown = new RegExp(`\`\`\`\\w+\\n((?://|#) ${name.replaceAll('.', '\\.')}\\n[^]*?)\`\`\``);
  const [, file] = shown.exec(readFileSync(page, 'utf8')) ?? [];
  if (file === undefined) throw new Error(`${page} has no ${name}`);
  return file;
}

for (const page of ['README.md', 'docs/plugins/writing-plugins.md']) {
  test(`the plugin loss-alarm of ${page} stops a run whose loss is too high`, async (t) => {
    const folder = folderWith(t, page, 'loss-alarm.ts');
    const set = ['-s', 'plugins."./loss-alarm.ts".above=0.5', '-s', 'plugins.evaluation.interval=2'];
    const { code, err } = await espalier(folder, 'train', '-p', 'debug', ...set);
    t.is(code, 0, err);
    t.regex(err, /validation loss \d\.\d+ is too high/);
  });
}

test('the strategy my-batches of the guide serves the end of the text first', async (t) => {
  const folder = folderWith(t, 'docs/plugins/batch-strategy.md', 'my-batches.ts');
  await using made = await testRun({ cwd: folder, iterations: 3, set: ['batches={strategy: ./my-batches.ts}'] });
  const firsts: number[] = [];
  made.run.on('batch:ready', ({ batch }) => firsts.push(batch.inputs[0] ?? -1));
  await made.train();
  const reader = made.run.container.resolve(Dataset).split('train');
  const { batchSize, blockSize } = made.events.of('batch:ready')[0]?.batch ?? { batchSize: 0, blockSize: 0 };
  const token = new Int32Array(1);
  const last = Math.floor((reader.length - 1) / blockSize) - 1;
  reader.read(last * blockSize, 1, token, 0);
  t.true(batchSize > 0);
  t.is(firsts.length, 3);
  t.is(firsts[0], token[0]);
});

test('the README’s preset trains with its plugin and its batch strategy', async (t) => {
  const folder = folderWith(t, 'README.md', 'book.yaml', 'loss-alarm.ts', 'backwards.ts');
  writeFileSync(path.join(folder, 'book.txt'), 'the quick brown fox jumps over the lazy dog. '.repeat(300));
  const small = ['train.max_iters=2', 'model.n_embd=16', 'plugins.evaluation.iters=2'];
  const set = small.flatMap((setting) => ['-s', setting]);
  const { code, err } = await espalier(folder, 'train', '-p', './book.yaml', ...set);
  t.is(code, 0, err);
  t.regex(err, /runs\/book/);
  const served = await espalier(folder, 'explain', '-p', './book.yaml', 'batches');
  t.regex(served.out, /batches\.strategy +\.\/backwards\.ts/);
});
