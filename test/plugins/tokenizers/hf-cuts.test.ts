import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from '../../property.js';
import test, { type ExecutionContext } from 'ava';
import type { Tokenizer } from '../../../core/index.js';
import BytesTokenizerPlugin from '../../../plugins/tokenizers/bytes.js';
import CharTokenizerPlugin from '../../../plugins/tokenizers/char.js';
import Gpt2TokenizerPlugin from '../../../plugins/tokenizers/gpt2/index.js';
import HfTokenizerPlugin from '../../../plugins/tokenizers/hf/index.js';
import { needing, tokenizerFiles, tokenizerLibrary } from '../../needs.js';
import { componentTokenizers } from './hf-components.js';
import { oddText } from './odd-text.js';

const folder = mkdtempSync(path.join(tmpdir(), 'espalier-'));
test.after.always(() => {
  rmSync(folder, { recursive: true });
});

const own: Record<string, (text: string) => Tokenizer> = {
  char: (text) => new CharTokenizerPlugin().forText(text),
  bytes: () => new BytesTokenizerPlugin().forText(),
  gpt2: () => new Gpt2TokenizerPlugin().forText(),
};

for (const [name, make] of Object.entries(own)) {
  test(`${name}: the parts of a text cut where allowed have the tokens of the whole`, async (t) => {
    let cuts = 0;
    await fc.assert(
      fc.asyncProperty(oddText, async (text) => {
        cuts += await cutEverywhere(t, make(text), text);
      }),
      { numRuns: 100 },
    );
    t.true(cuts > 0, 'no text had a place to cut');
  });
}

/** Nothing can be proven about these, so they may have no cuts. */
const WHOLE = /behind|FixedLength|UnicodeScripts|Unigram of bytes|pieces of words/;

needing(tokenizerLibrary())(
  'every component: where a text may be cut, the parts have the tokens of the whole',
  async (t) => {
    for (const [name, definition] of Object.entries(componentTokenizers())) {
      const file = path.join(folder, 'tokenizer.json');
      writeFileSync(file, JSON.stringify(definition));
      const tokenizer = await new HfTokenizerPlugin({ file }).forText();
      if (WHOLE.test(name)) t.is(tokenizer.canCut, undefined, name);
      await fc.assert(
        fc.asyncProperty(oddText, async (text) => {
          await cutEverywhere(t, tokenizer, text, name);
        }),
        { numRuns: 15 },
      );
    }
  },
);

for (const file of tokenizerFiles().files) {
  needing(tokenizerFiles(), tokenizerLibrary())(
    `${path.basename(file)}: the parts of a text cut where allowed have the tokens of the whole`,
    async (t) => {
      const tokenizer = await new HfTokenizerPlugin({ file }).forText();
      let cuts = 0;
      await fc.assert(
        fc.asyncProperty(oddText, async (text) => {
          cuts += await cutEverywhere(t, tokenizer, text);
        }),
        { numRuns: 50 },
      );
      t.true(cuts > 0, 'no text had a place to cut');
    },
  );
}

/** @returns how many cuts there were */
async function cutEverywhere(t: ExecutionContext, tokenizer: Tokenizer, text: string, name = ''): Promise<number> {
  const whole = [...(await tokenizer.encode(text))];
  const characters = Array.from(text);
  let cuts = 0;
  for (let at = 1; at < characters.length; at++) {
    const [left = '', right = ''] = [characters[at - 1], characters[at]];
    if (tokenizer.canCut?.(codeOf(left), codeOf(right)) !== true) continue;
    cuts++;
    const before = await tokenizer.encode(characters.slice(0, at).join(''));
    const after = await tokenizer.encode(left + characters.slice(at).join(''));
    const parts = [...before, ...after.subarray((await tokenizer.encode(left)).length)];
    if (parts.join() !== whole.join()) t.fail(`${name}: ${JSON.stringify(text)} cut at ${String(at)}`);
  }
  return cuts;
}

function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0;
}
