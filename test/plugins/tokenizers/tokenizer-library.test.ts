import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { byteLevelTokenizer } from '../../plugins/tokenizers/hf-definition.js';
import { emptyFolder, espalier } from '../../e2e/command.js';

test.serial(
  'without Hugging Face’s library a tokenizer.json is refused saying what to install, and other tokenizers work',
  async (t) => {
    const folder = emptyFolder(t);
    writeFileSync(path.join(folder, 'tokenizer.json'), JSON.stringify(byteLevelTokenizer()));
    writeFileSync(path.join(folder, 'a.txt'), 'the end. '.repeat(100));
    // Simulates a platform without a build of it: Node.js does not find the packages.
    writeFileSync(
      path.join(folder, 'hooks.mjs'),
      `export const resolve = (name, context, next) => {
      if (/^(@anush008.)?tokenizers$/.test(name)) throw new Error('no build for this platform');
      return next(name, context);
    };`,
    );
    const hide = path.join(folder, 'hide.mjs');
    writeFileSync(hide, `import { register } from 'node:module'; register('./hooks.mjs', import.meta.url);`);
    const before = process.env['NODE_OPTIONS'];
    process.env['NODE_OPTIONS'] = `--import ${pathToFileURL(hide).href}`;
    t.teardown(() => {
      if (before === undefined) delete process.env['NODE_OPTIONS'];
      else process.env['NODE_OPTIONS'] = before;
    });
    const refused = await espalier(folder, 'prepare', 'a.txt', '-t', 'tokenizer.json', '-o', 'out');
    t.is(refused.code, 2, refused.err);
    t.regex(refused.err, /tokenizer\.json needs .*no build for this platform.*npm install.*ESP_TOKENIZER_LIBRARY/s);
    const made = await espalier(folder, 'prepare', 'a.txt', '-t', 'gpt2', '-o', 'out');
    t.is(made.code, 0, made.err);
  },
);
