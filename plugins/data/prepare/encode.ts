import type { Tokenizer } from '../../../core/index.js';
import type { ChatPart } from '../chat/format.js';
import { dtypeFor } from '../shared/meta.js';
import type { Texts } from './read-piece.js';
import type { Tokens } from './shard-writer.js';

/** Tokens of documents, one after the other. */
export interface Encoded {
  readonly tokens: Tokens;
  /** Where each document ends in them. */
  readonly ends: Uint32Array<ArrayBuffer>;
  /** Of conversations: 1 for each token that is learned. */
  readonly mask?: Uint8Array<ArrayBuffer>;
}

/** @param before the character before the first text, whose tokens are not its own */
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
 * Answers get tokens of their own, as when the model writes them after a prompt; where the text may be cut there, they are
 * those of the whole text.
 */
async function encodePart(by: Tokenizer, text: string, previous: ChatPart | undefined): Promise<Int32Array> {
  const left = Array.from(previous?.text.slice(-2) ?? '').at(-1);
  const [codeLeft, codeRight] = [left?.codePointAt(0), text.codePointAt(0)];
  const isCut = codeLeft !== undefined && codeRight !== undefined && by.canCut?.(codeLeft, codeRight) === true;
  return isCut && left !== undefined ? encodeAfter(by, left, text) : by.encode(text);
}

/** Some tokenizers treat the start of a text as no other place: the character before a cut is encoded with what follows it. */
async function encodeAfter(by: Tokenizer, before: string, text: string): Promise<Int32Array> {
  const own = await by.encode(before);
  return (await by.encode(before + text)).subarray(own.length);
}

/** Ids in as few bytes as they fit: the ids of many texts would be several times the texts. */
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
