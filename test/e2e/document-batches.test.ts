import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { BatchSource, Dataset, type Batch } from '../../core/index.js';
import { assertResumes, testRun } from '../../plugins/testing/contract.js';
import { emptyFolder } from './command.js';
import { espalier } from './warm.js';

/** Records of different lengths, prepared. */
async function prepared(t: ExecutionContext): Promise<string> {
  const folder = emptyFolder(t);
  const records = Array.from({ length: 60 }, (_, i) => JSON.stringify({ text: `note ${i} `.repeat(1 + (i % 9)) }));
  writeFileSync(path.join(folder, 'notes.jsonl'), records.join('\n'));
  const { code, err } = await espalier(folder, 'prepare', 'notes.jsonl', '-t', 'bytes', '-o', 'data/notes');
  t.is(code, 0, err);
  return folder;
}

test('a preset trains on documents from the command line, and resumes', async (t) => {
  const folder = await prepared(t);
  const train = (...set: string[]) =>
    espalier(
      folder,
      'train',
      '-p',
      'debug',
      ...['data.dir=data/notes', 'batches=documents', ...set].flatMap((each) => ['-s', each]),
    );
  const first = await train('train.max_iters=6', 'plugins.evaluation.iters=2');
  t.is(first.code, 0, first.err);
  t.regex(first.err, /train: 54 documents \(\d+ of them cut\) in \d+ rows of 32, \d+\.\d\d % padding/);
  const state = readFileSync(path.join(folder, 'runs/debug/checkpoints/000006/state.json'), 'utf8');
  t.regex(state, /"batches-documents":\s*\{[^}]*\{\s*"rows":\s*24\s*\}/);
  const resumed = await espalier(
    folder,
    'train',
    '--resume',
    '-p',
    'debug',
    ...['data.dir=data/notes', 'batches=documents', 'train.max_iters=8'].flatMap((each) => ['-s', each]),
  );
  t.is(resumed.code, 0, resumed.err);
});

test('the guide’s strategy serves one document per row, and a resumed run gives the same bits', async (t) => {
  const folder = await prepared(t);
  const [, plugin = ''] =
    /```ts\n(\/\/ one-document\.ts\n[^]*?)```/.exec(readFileSync('docs/plugins/document-strategy.md', 'utf8')) ?? [];
  writeFileSync(path.join(folder, 'one-document.ts'), plugin);
  const options = {
    cwd: folder,
    config: { data: { dir: 'data/notes' }, model: { block_size: 32 } },
    set: ['batches={strategy: ./one-document.ts}'],
  };
  await using made = await testRun(options);
  const { run } = made;
  const source = run.container.resolve(BatchSource);
  const decoded = async ({ inputs, documents, batchSize, blockSize }: Batch): Promise<string[]> =>
    Promise.all(
      Array.from({ length: batchSize }, async (_, row) => {
        const ids = inputs.subarray(row * blockSize, (row + 1) * blockSize);
        const own = ids.filter((_, at) => documents?.[row * blockSize + at] === 0);
        return (await run.container.resolve(Dataset).tokenizer?.decode(own)) ?? '';
      }),
    );
  const all = await decoded(await source.next({ batchSize: 54, blockSize: 32 }));
  t.is(new Set(all).size, 54);
  const held = await decoded(source.evaluation('val', 0, { batchSize: 6, blockSize: 32 }));
  for (const text of [...all, ...held]) t.regex(text, /^note \d+/);
  await assertResumes({ ...options, iterations: 4 });
});
