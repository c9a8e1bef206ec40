import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from '../../property.js';
import test, { type ExecutionContext } from 'ava';
import { z } from 'zod';
import HfTokenizerPlugin from '../../../plugins/tokenizers/hf/index.js';
import { needing, peersPython, python, tokenizerFiles, tokenizerLibrary } from '../../needs.js';
import { componentTokenizers } from './hf-components.js';
import { oddText } from './odd-text.js';

const folder = mkdtempSync(path.join(tmpdir(), 'espalier-'));
test.after.always(() => {
  rmSync(folder, { recursive: true });
});

const SEED = 20261129;
const texts = fc.sample(oddText, { seed: SEED, numRuns: 300 });

/** For each path, writes the ids of each text and their decoded text. */
const SCRIPT = `
import json, sys
from tokenizers import Tokenizer
asked = json.load(sys.stdin)
answers = []
for file in asked["files"]:
    tokenizer = Tokenizer.from_file(file)
    tokenizer.no_truncation(); tokenizer.no_padding()
    ids = [encoding.ids for encoding in tokenizer.encode_batch(asked["texts"], add_special_tokens=False)]
    answers.append({"ids": ids, "texts": [tokenizer.decode(each, skip_special_tokens=False) for each in ids]})
json.dump(answers, sys.stdout)
`;
const answersSchema = z.array(z.object({ ids: z.array(z.array(z.number())), texts: z.array(z.string()) }));
const reference = [python('tokenizers'), tokenizerLibrary()];

needing(...reference)('every component gives the ids and texts of Hugging Face’s Python library', async (t) => {
  const definitions = Object.entries(componentTokenizers());
  const files = definitions.map(([, definition], index) => {
    const file = path.join(folder, `${String(index)}.json`);
    writeFileSync(file, JSON.stringify(definition));
    return file;
  });
  await compare(
    t,
    files,
    definitions.map(([name]) => name),
  );
});

for (const file of tokenizerFiles().files) {
  const name = path.basename(file);
  needing(...reference, tokenizerFiles())(
    `${name} gives the ids and texts of Hugging Face’s Python library`,
    async (t) => {
      await compare(t, [file], [name]);
    },
  );
}

async function compare(t: ExecutionContext, files: readonly string[], names: readonly string[]): Promise<void> {
  const asked = spawnSync(peersPython, ['-c', SCRIPT], {
    input: JSON.stringify({ files, texts }),
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, PYTHONIOENCODING: 'utf8' },
  });
  t.is(asked.status, 0, asked.stderr);
  const answers = answersSchema.parse(JSON.parse(asked.stdout));
  t.is(answers.length, files.length);
  for (const [index, { ids, texts: decoded }] of answers.entries()) {
    const tokenizer = await new HfTokenizerPlugin({ file: files[index] ?? '' }).forText();
    for (const [at, text] of texts.entries()) {
      const ours = await tokenizer.encode(text);
      const what = `${names[index] ?? ''}: ${JSON.stringify(text)}`;
      t.deepEqual([...ours], ids[at], what);
      t.is(await tokenizer.decode(ours), decoded[at] ?? '', what);
    }
  }
}
