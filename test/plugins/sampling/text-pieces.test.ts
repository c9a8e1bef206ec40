import test from 'ava';
import fc from '../../property.js';
import type { GenerateOptions, Model, Tokenizer } from '../../../core/index.js';
import { ArrivingText } from '../../../plugins/sampling/text/arriving-text.js';
import { StopTexts } from '../../../plugins/sampling/text/stop-texts.js';
import { textPieces, type Stops } from '../../../plugins/sampling/text/text-pieces.js';
import BytesTokenizerPlugin from '../../../plugins/tokenizers/bytes.js';
import CharTokenizerPlugin from '../../../plugins/tokenizers/char.js';
import Gpt2TokenizerPlugin from '../../../plugins/tokenizers/gpt2/index.js';

const bytes = new BytesTokenizerPlugin().forText();
const gpt2 = new Gpt2TokenizerPlugin().forText();

test('a text in pieces is cut before the stop text that is complete first, however it is cut into pieces', (t) => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '\n'), maxLength: 12 });
  const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '\n'), minLength: 1, maxLength: 4 }), {
    maxLength: 3,
  });
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 6 }), stops, (pieces, given) => {
      const found = new StopTexts(given);
      const shown = pieces.map((piece) => found.add(piece));
      const whole = pieces.join('');
      // The longest of those that are complete first.
      const ends = Array.from({ length: whole.length + 1 }, (_, end) => whole.slice(0, end));
      const end = ends.find((text) => given.some((stop) => text.endsWith(stop)));
      const length = Math.max(0, ...given.filter((stop) => end?.endsWith(stop)).map((stop) => stop.length));
      t.is(found.found, end !== undefined);
      t.is(shown.join('') + found.end(), end === undefined ? whole : end.slice(0, end.length - length));
    }),
    { numRuns: 2000 },
  );
});

test('only the possible beginning of a stop text is held back', (t) => {
  const stops = new StopTexts(['###', '\nUser:']);
  t.deepEqual(
    ['a#', 'b##', 'c\nUs', 'e', 'd\n'].map((piece) => stops.add(piece)),
    ['a', '#b', '##c', '', '\nUsed'],
  );
  t.is(stops.end(), '\n');
});

test('ids decoded one by one give the whole text, and no piece ends within a character', async (t) => {
  const text = fc.string({ unit: 'binary', maxLength: 20 }).map((given) => given.toWellFormed());
  for (const tokenizer of [bytes, gpt2]) {
    await fc.assert(
      fc.asyncProperty(text, text, async (before, after) => {
        fc.pre(!after.includes('\ufffd'));
        const prompt = await tokenizer.encode(before);
        const ids = await tokenizer.encode(after);
        const arriving = new ArrivingText(tokenizer, [...prompt]);
        const pieces: string[] = [];
        for (const id of ids) pieces.push(await arriving.add([id]));
        pieces.push(await arriving.end());
        t.is(pieces.join(''), after);
        t.false(pieces.join('|').includes('\ufffd'));
      }),
    );
  }
});

/** Generates given ids, whatever the prompt; with steps, or like a model that only has `generate`. */
function writer(texts: readonly (readonly number[])[], hasSteps: boolean): Pick<Model, 'generate' | 'generateSteps'> {
  const generate = (prompt: readonly number[], { maxNewTokens, onToken }: GenerateOptions): number[] => {
    const ids = (texts[0] ?? []).slice(prompt.length - 1, prompt.length - 1 + maxNewTokens);
    for (const id of ids) onToken?.(id);
    return ids;
  };
  if (!hasSteps) return { generate };
  return {
    generate,
    *generateSteps(_, options) {
      const written = options.map((): number[] => []);
      for (;;) {
        const going = written.flatMap((ids, index) => {
          const own = options[index];
          const ended = ids.length > 0 && own?.stop?.(ids) === true;
          return own === undefined || ended || ids.length >= own.maxNewTokens ? [] : [{ ids, own, index }];
        });
        if (going.length === 0) return written;
        for (const { ids, own, index } of going) {
          const id = texts[index]?.[ids.length] ?? 0;
          ids.push(id);
          own.onToken?.(id);
        }
        yield;
      }
    },
  };
}

const choices = { temperature: 1, topK: 0, random: () => 0 };

async function pieces(
  tokenizer: Tokenizer,
  texts: readonly string[],
  stops: Stops,
  hasSteps = true,
): Promise<{ texts: string[]; tokens: number[]; steps: number }> {
  const ids = await Promise.all(texts.map(async (text) => [...(await tokenizer.encode(text))]));
  const tokens = texts.map(() => 0);
  const options = ids.map(({ length }, index) => ({
    ...choices,
    maxNewTokens: length,
    onToken: () => void (tokens[index] = (tokens[index] ?? 0) + 1),
  }));
  const all = texts.map(() => '');
  let steps = 0;
  for await (const added of textPieces({ model: writer(ids, hasSteps), tokenizer }, [0], options, stops)) {
    steps++;
    for (const [index, piece] of added.entries()) all[index] = `${all[index] ?? ''}${piece}`;
  }
  return { texts: all, tokens, steps };
}

for (const hasSteps of [true, false]) {
  test(`a stop text that crosses tokens ends the text before it, ${hasSteps ? 'with' : 'without'} steps`, async (t) => {
    const stop = ['ck\nDo', 'never'];
    const found = await pieces(gpt2, ['Quack quack\nDonald swims away.'], { stop }, hasSteps);
    t.deepEqual(found.texts, ['Quack qua']);
    t.true((found.tokens[0] ?? 0) < gpt2Length('Quack quack\nDonald swims'), 'no further tokens are asked for');
    t.deepEqual((await pieces(gpt2, ['no stop ck\nD'], { stop }, hasSteps)).texts, ['no stop ck\nD']);
  });
}

function gpt2Length(text: string): number {
  const ids = gpt2.encode(text);
  return 'length' in ids ? ids.length : NaN;
}

test('each of several texts ends at its own stop text while the others continue', async (t) => {
  const texts = ['one. two', 'three four. five', 'six seven eight'];
  const found = await pieces(new CharTokenizerPlugin().forText(texts.join('')), texts, { stop: ['.'] });
  t.deepEqual(found.texts, ['one', 'three four', 'six seven eight']);
  t.deepEqual(found.tokens, [4, 11, 15]);
});

test('a stop token adds no text', async (t) => {
  const [end = 0] = await gpt2.encode('!');
  const { texts, tokens } = await pieces(gpt2, ['Hello world! More'], { stopIds: [end] });
  t.deepEqual([texts, tokens], [['Hello world'], [3]]);
});
