import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { needing, tokenizerLibrary } from '../../needs.js';
import { componentTokenizers } from '../../plugins/tokenizers/hf-components.js';
import { byteLevelTokenizer } from '../../plugins/tokenizers/hf-definition.js';
import { emptyFolder, piped } from '../../e2e/command.js';
import { espalier } from '../../e2e/warm.js';

const definitions: Record<string, object> = {
  ...componentTokenizers(),
  // Whose merges cross line ends, spaces and marks.
  'byte level': byteLevelTokenizer(),
};
const names = [
  'Llama 2',
  'added spaces, without a decoder',
  'pre-tokenizer Split as Llama 3',
  'Unigram',
  'byte level',
  'gpt2',
];

// Long enough for several pieces; what is at a cut differs from one to the next.
const text = Array.from(
  { length: 9000 },
  (_, i) => `the ab${' '.repeat(i % 3)}, a b.\n<|a b|> cat!! aa 中文é ${'a'.repeat(i % 7)}.\n`,
).join('');

for (const name of names) {
  needing(tokenizerLibrary())(
    `a text as a file, from standard input and as one record has the same tokens: ${name}`,
    async (t) => {
      const folder = emptyFolder(t);
      const definition = definitions[name];
      const tokenizer = definition === undefined ? name : 'tokenizer.json';
      if (definition !== undefined) writeFileSync(path.join(folder, tokenizer), JSON.stringify(definition));
      writeFileSync(path.join(folder, 'a.txt'), text);
      writeFileSync(path.join(folder, 'a.jsonl'), JSON.stringify({ text }));
      writeFileSync(path.join(folder, 'val.txt'), 'the cat');
      const rest = ['-t', tokenizer, '--val', 'val.txt', '-q', '-o'];
      const made = [
        await espalier(folder, 'prepare', 'a.txt', ...rest, 'file'),
        await espalier(folder, 'prepare', 'a.jsonl', ...rest, 'record'),
        await piped(folder, text, 'prepare', '-', '--format', 'text', ...rest, 'stdin'),
      ];
      for (const { code, err } of made) t.is(code, 0, err);
      const shard = (out: string): Buffer => readFileSync(path.join(folder, out, 'train_000001.bin'));
      t.true(shard('record').length > 200_000);
      t.true(shard('file').equals(shard('record')));
      t.true(shard('stdin').equals(shard('record')));
    },
  );
}
