import type { Tokenizer } from '../../../core/index.js';
import type { ChatPart } from '../chat/format.js';
import { dtypeFor } from '../shared/meta.js';
import type { Texts } from './read-piece.js';
import type { Tokens } from './shard-writer.js';

/** The tokens of consecutive documents. */
export interface Encoded {
  readonly tokens: Tokens;
  /** Position in `tokens` where each document ends. */
  readonly ends: Uint32Array<ArrayBuffer>;
  /** For conversations: 1 for each learned token. */
  readonly mask?: Uint8Array<ArrayBuffer>;
}

/** Encodes texts. @param before the character before the first text; its tokens are not included */
export async function encodeTexts(by: Tokenizer, { texts, parts }: Texts, before: string): Promise<Encoded> {
  const ids = new Ids(by.vocabSize, texts.reduce((sum, text) => sum + text.length, 0) >> 1);
  const ends = new Uint32Array(texts.length);
  if (parts === undefined) {
    for (const [index, text] of texts.entries()) {
      ids.add(index === 0 && before !== '' ? await encodeAfter(by, before, text) : await by.encode(text));
      ends[index] = ids.length;
    }
    return { tokens: ids.all(), ends };
  }
  const runs: { readonly end: number; readonly learned: boolean }[] = [];
  for (const [index, conversation] of parts.entries()) {
    for (const [place, part] of conversation.entries()) {
      ids.add(await encodePart(by, part.text, conversation[place - 1]));
      runs.push({ end: ids.length, learned: part.learned });
    }
    ends[index] = ids.length;
  }
  const mask = new Uint8Array(ids.length);
  let start = 0;
  for (const { end, learned } of runs) {
    if (learned) mask.fill(1, start, end);
    start = end;
  }
  return { tokens: ids.all(), ends, mask };
}

/**
 * Encodes a piece of a conversation. Answers are encoded separately, as when the model generates them after a prompt.
 * If the text may be cut at that position, these are also the tokens of the whole text.
 */
async function encodePart(by: Tokenizer, text: string, previous: ChatPart | undefined): Promise<Int32Array> {
  const left = Array.from(previous?.text.slice(-2) ?? '').at(-1);
  const [codeLeft, codeRight] = [left?.codePointAt(0), text.codePointAt(0)];
  const isCut = codeLeft !== undefined && codeRight !== undefined && by.canCut?.(codeLeft, codeRight) === true;
  return isCut && left !== undefined ? encodeAfter(by, left, text) : by.encode(text);
}

/**
 * Encodes text after a cut together with the character before it, since some tokenizers treat the start of a text
 * specially.
 */
async function encodeAfter(by: Tokenizer, before: string, text: string): Promise<Int32Array> {
  const own = await by.encode(before);
  return (await by.encode(before + text)).subarray(own.length);
}

/**
 * A growing array of ids in 2 or 4 bytes each: as plain numbers they would take several times the memory of the text.
 */
class Ids {
  length = 0;
  readonly #made: Uint16ArrayConstructor | Uint32ArrayConstructor;
  #ids: Tokens;

  constructor(vocabSize: number, room: number) {
    this.#made = dtypeFor(vocabSize) === 'uint16' ? Uint16Array : Uint32Array;
    this.#ids = new this.#made(room);
  }

  add(ids: Int32Array): void {
    if (this.length + ids.length > this.#ids.length) {
      const larger = new this.#made(2 * this.#ids.length + ids.length);
      larger.set(this.#ids);
      this.#ids = larger;
    }
    this.#ids.set(ids, this.length);
    this.length += ids.length;
  }

  all(): Tokens {
    return this.#ids.slice(0, this.length);
  }
}
