import { flat, type Component, type Definition } from './definition.js';

/** Returns whether a text may be cut between two neighbouring characters; see `Tokenizer.canCut`. */
export type CutRule = (left: number, right: number) => boolean;

/**
 * Returns where byte pair encoding itself cannot join two characters: no token contains one followed by the other, so
 * no merge crosses that place, and the merges on both sides are independent.
 * @returns undefined for another kind of model, or if its characters are not those of the text
 */
export function adjacentIn({ model, normalizer, tokens }: Definition, pre: readonly Component[]): CutRule | undefined {
  const isPairs = model.type === 'BPE' || (model.type === undefined && Array.isArray(model['merges']));
  const affixes = [model['continuing_subword_prefix'], model['end_of_word_suffix']];
  if (!isPairs || model['ignore_merges'] === true || affixes.some((each) => typeof each === 'string' && each !== ''))
    return undefined;
  const replaced = flat(normalizer, 'normalizers').filter(({ type }) => type !== 'Prepend');
  const bytes = pre.some(({ type }) => type === 'ByteLevel');
  const spaces = pre.some(({ type }) => type === 'Metaspace') || replaced.some(isSpaceToMark);
  if (!replaced.every((each) => isSpaceToMark(each) || each.type === 'NFC') || (bytes && spaces)) return undefined;
  const symbols = new Set<string>();
  const pairs = new Set<string>();
  for (const [token] of tokens()) {
    const characters = Array.from(token);
    if (characters.length === 1) symbols.add(token);
    for (let at = 1; at < characters.length; at++) pairs.add(`${characters[at - 1] ?? ''}${characters[at] ?? ''}`);
  }
  const symbolOf = (code: number): string => {
    if (spaces && code === 0x20) return '▁';
    return bytes ? byteLetter(code) : String.fromCodePoint(code);
  };
  return (left, right) => {
    // Other characters consist of several bytes, each with a letter of its own.
    if ((bytes || replaced.some(({ type }) => type === 'NFC')) && (left >= 0x80 || right >= 0x80)) return false;
    const [a, b] = [symbolOf(left), symbolOf(right)];
    return symbols.has(a) && symbols.has(b) && !pairs.has(a + b);
  };
}

function isSpaceToMark({ type, pattern, content }: Component): boolean {
  return type === 'Replace' && content === '▁' && JSON.stringify(pattern) === '{"String":" "}';
}

/** Returns the letter by which byte-level tokenizers represent an ASCII character. */
function byteLetter(code: number): string {
  return String.fromCodePoint(code > 0x20 && code < 0x7f ? code : code <= 0x20 ? 0x100 + code : 0x121);
}
