import { z } from 'zod';
import { adjacentIn, type CutRule } from './adjacent.js';
import { flat, type Component, type Definition } from './definition.js';
import { readPattern } from './pattern.js';
import { literalPattern, type Pattern } from './places.js';

/** What is known about a component at a place between two characters. */
interface Step {
  /** The output for the text before the place does not depend on what follows, and vice versa. */
  readonly apart: CutRule;
  /** No token contains characters from both sides. */
  readonly splits: CutRule;
}

const ALWAYS: CutRule = () => true;
const NEVER: CutRule = () => false;
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const SPACE = 0x20;
/** SentencePiece's character for a space. */
const MARK = 0x2581;

/**
 * Returns where a text may be cut, if a tokenizer.json proves it: its normalizers and pre-tokenizers look no further
 * than such a place, and either a pre-tokenizer splits there or byte pair encoding has no token with both characters.
 * @returns undefined if nothing can be proven: texts must then be encoded whole
 */
export function cutRule(definition: Definition): CutRule | undefined {
  const normalizers = flat(definition.normalizer, 'normalizers').map(normalizerOf);
  const pre = flat(definition.preTokenizer, 'pretokenizers');
  const steps = pre.map((component, index) => stepOf(component, index === pre.length - 1));
  if (normalizers.includes(undefined) || steps.includes(undefined)) return undefined;
  const known = steps.filter((step) => step !== undefined);
  const normalized = normalizers.filter((rule) => rule !== undefined);
  const adjacent = known.some(({ splits }) => splits !== NEVER) ? undefined : adjacentIn(definition, pre);
  if ((known.length === 0 && adjacent === undefined) || !encodesAll(definition)) return undefined;
  const added = addedRule(definition);
  const seen = seenBy(flat(definition.normalizer, 'normalizers'));
  const split: CutRule = (left, right) =>
    known.every(({ apart }) => apart(left, right)) && known.some(({ splits }) => splits(left, right));
  const rule: CutRule = (left, right) =>
    stable(left, right) &&
    added(left, right) &&
    normalized.every((apart) => apart(left, right)) &&
    (split(...seen(left, right)) ||
      (adjacent?.(left, right) === true && known.every(({ apart }) => apart(...seen(left, right)))));
  return remembered(rule);
}

/**
 * Every character must be encodable by itself, because a text's continuation is encoded with the character before it.
 */
function encodesAll({ model, tokens }: Definition): boolean {
  if (model.type === 'Unigram') return typeof model['unk_id'] === 'number';
  const unknown = model['unk_token'] ?? (model.type === 'BPE' || model.type === undefined ? undefined : '[UNK]');
  if (unknown === undefined) return true;
  for (const [token] of tokens()) if (token === unknown) return true;
  return false;
}

/** Returns how pre-tokenizers see two characters of the text. */
function seenBy(normalizers: readonly Component[]): (left: number, right: number) => [number, number] {
  const lower = normalizers.some(({ type }) => type === 'Lowercase' || type === 'BertNormalizer');
  const mark = normalizers.some(
    (each) => each.type === 'Replace' && each['content'] === '▁' && patternIn(each)?.touches(SPACE),
  );
  const cased = (code: number): number =>
    lower ? (String.fromCodePoint(code).toLowerCase().codePointAt(0) ?? code) : code;
  return (left, right) => [cased(left), mark && right === SPACE ? MARK : cased(right)];
}

/** Accepts a letter, digit or ASCII mark before a character that no normalizer joins to it. */
function stable(left: number, right: number): boolean {
  const before = String.fromCodePoint(left);
  if (left < 0x80 ? left <= SPACE || left === 0x7f : !/^[\p{L}\p{Nd}]$/u.test(before)) return false;
  // Case folding and composition may turn one character into several.
  if ([before.toUpperCase(), before.toLowerCase()].some((cased) => cased.length > before.length)) return false;
  return (
    (right < 0x80 && right >= SPACE && right !== 0x7f) ||
    right === 0x0a ||
    (right >= 0x3001 && right <= 0x3002) ||
    right === 0xff0c
  );
}

function isWord(code: number): boolean {
  return /^[\p{L}\p{Nd}]$/u.test(String.fromCodePoint(code));
}

/** Accepts normalizers that map single characters, or that look only at white space on one side. */
function normalizerOf(component: Component): CutRule | undefined {
  switch (component.type) {
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return keptBy(component.type);
    case 'StripAccents':
    case 'BertNormalizer':
      return (left, right) => isWord(left) && right < 0x80 && ['NFD', 'NFC'].every((form) => keeps(form, left));
    case 'Precompiled':
    case 'Nmt':
      return (left, right) =>
        isWord(left) &&
        right === SPACE &&
        (left < 0x600 || left > 0x3000) &&
        ['NFKC', 'NFKD'].every((form) => keeps(form, left));
    case 'Lowercase':
    case 'Prepend':
    case 'Strip':
      return ALWAYS;
    case 'Replace':
      return replaceRule(component);
    default:
      return undefined;
  }
}

function keptBy(form: string): CutRule {
  // Composing the first character after the cut must not change what it is.
  return (left, right) =>
    keeps(form, left) && keeps(form, right) && !isWord(right) && !(right >= 0x3c && right <= 0x3e);
}

function keeps(form: string, code: number): boolean {
  const character = String.fromCodePoint(code);
  return character.normalize(form) === character;
}

function replaceRule(component: Component): CutRule | undefined {
  const pattern = patternIn(component);
  if (pattern === undefined) return undefined;
  const { content } = component;
  // A single space may become something else, such as `▁`; anything else that is replaced must not be at the cut.
  const spaceAlone = typeof content === 'string' && (content === ' ' || content === '▁');
  return (left, right) =>
    !pattern.joins(left, right) &&
    !pattern.joins(left, MARK) &&
    !pattern.touches(left) &&
    (!pattern.touches(right) || (right === SPACE && spaceAlone)) &&
    (right !== SPACE || !pattern.touches(MARK));
}

function stepOf(component: Component, last: boolean): Step | undefined {
  switch (component.type) {
    case 'ByteLevel':
      if (!last) return undefined;
      return component['use_regex'] === false
        ? { apart: ALWAYS, splits: NEVER }
        : patternStep(readPattern(GPT2), 'Isolated');
    case 'Metaspace':
      if (!last) return undefined;
      return {
        apart: ALWAYS,
        splits: component['split'] === false ? NEVER : (_, right) => right === SPACE || right === MARK,
      };
    case 'WhitespaceSplit':
      return { apart: ALWAYS, splits: (_, right) => right === SPACE || right === 0x0a };
    case 'Whitespace':
      return patternStep(readPattern('\\w+|[^\\w\\s]+'), 'Removed');
    case 'BertPreTokenizer':
      return { apart: isWord, splits: (_, right) => right === SPACE || right === 0x0a || isAsciiMark(right) };
    case 'Punctuation':
      return {
        apart: isWord,
        splits: (_, right) => isAsciiMark(right) && !['MergedWithPrevious'].includes(String(component['behavior'])),
      };
    case 'Digits':
      return { apart: (left, right) => /^\p{L}$/u.test(String.fromCodePoint(left)) && !isWord(right), splits: NEVER };
    case 'CharDelimiterSplit': {
      const delimiter = String(component['delimiter']).codePointAt(0);
      return { apart: ALWAYS, splits: (_, right) => right === delimiter };
    }
    case 'Split':
      return patternStep(patternIn(component), String(component['behavior']));
    default:
      return undefined;
  }
}

function patternStep(pattern: Pattern | undefined, behavior: string): Step | undefined {
  if (pattern === undefined) return undefined;
  const alone = ['Isolated', 'Removed'].includes(behavior);
  return {
    apart: (left, right) =>
      !pattern.joins(left, right) &&
      (alone || (!pattern.touches(left) && (behavior !== 'Contiguous' || !pattern.touches(right)))),
    // The match with `left` ends there, or the match with `right` starts there.
    splits: alone ? (left, right) => pattern.covers(left) || pattern.covers(right) : NEVER,
  };
}

function patternIn(component: Component): Pattern | undefined {
  const parsed = z
    .union([z.object({ Regex: z.string() }), z.object({ String: z.string().min(1) })])
    .safeParse(component['pattern']);
  if (!parsed.success) return undefined;
  return 'Regex' in parsed.data ? readPattern(parsed.data.Regex) : literalPattern(parsed.data.String);
}

function isAsciiMark(code: number): boolean {
  return code > SPACE && code < 0x7f && !isWord(code);
}

/** Added tokens are matched before everything else: none may cross a cut or end at it. */
function addedRule({ added }: Definition): CutRule {
  const contents = added.map(({ content }) =>
    Array.from(content.toLowerCase(), (character) => character.codePointAt(0)),
  );
  const ends = new Set(contents.map((codes) => codes.at(-1)));
  const inside = new Set(
    contents.flatMap((codes) => codes.slice(1).map((code, index) => `${String(codes[index])} ${String(code)}`)),
  );
  const lower = (code: number): number => String.fromCodePoint(code).toLowerCase().codePointAt(0) ?? code;
  return (left, right) => {
    const [a, b] = [lower(left), lower(right)];
    return (
      !ends.has(a) &&
      !inside.has(`${String(a)} ${String(b)}`) &&
      !(b === SPACE && inside.has(`${String(a)} ${String(MARK)}`))
    );
  };
}

/** Caches the rule per pair, since texts have few different pairs. */
function remembered(rule: CutRule): CutRule {
  const known = new Map<number, boolean>();
  return (left, right) => {
    const key = left * 0x110000 + right;
    let found = known.get(key);
    if (found === undefined) {
      found = rule(left, right);
      if (known.size < 1 << 16) known.set(key, found);
    }
    return found;
  };
}
