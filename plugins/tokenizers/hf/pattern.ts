/** Says whether a character, given as its code point, is in a class. */
type Test = (code: number) => boolean;

/** What matches of a regular expression can be, as far as it decides whether a text may be cut between two characters. */
export interface Pattern {
  /** Whether a match can hold `left` followed by `right`, or can depend on what is beyond the cut between them. */
  joins(left: number, right: number): boolean;
  /** Whether a match can hold a character. */
  touches(code: number): boolean;
  /** Whether a character is in a match wherever it stands. */
  covers(code: number): boolean;
}

/**
 * Reads a regular expression as Oniguruma does, into the places of its characters and which may follow which
 * (Glushkov's construction). Quantifiers, possessive or not, and atomic groups are taken for what they can match at most.
 * @returns undefined for an expression with anything else: look-behind, anchors, back references, class intersections
 */
export function readPattern(source: string): Pattern | undefined {
  try {
    return patternOf(new Parser(source).read());
  } catch (thrown) {
    if (thrown instanceof Unread) return undefined;
    throw thrown;
  }
}

/** A pattern that matches a string as it is. */
export function literalPattern(text: string): Pattern {
  const places = Array.from(text, (character) => placeOf((code) => code === character.codePointAt(0)));
  return patternOf([places.reduce<Part>((whole, place) => inOrder(whole, place), EMPTY)]);
}

class Unread extends Error {}

interface Place {
  readonly test: Test;
  readonly next: Set<Place>;
}

/** A part of an expression: where a match of it may start and end. */
interface Part {
  readonly empty: boolean;
  readonly first: readonly Place[];
  readonly last: readonly Place[];
  readonly all: readonly Place[];
  /** Places after which it looks at what follows. */
  readonly looks: readonly Place[];
  /** It may give nothing back: what it could match in part, it may not match. */
  readonly keeps: boolean;
}

const EMPTY: Part = { empty: true, first: [], last: [], all: [], looks: [], keeps: false };

function patternOf(alternatives: readonly Part[]): Pattern {
  const places = alternatives.flatMap(({ all }) => all);
  const looks = alternatives.flatMap(({ looks }) => looks);
  return {
    joins: (left, right) =>
      looks.some(({ test }) => test(left)) ||
      places.some(({ test, next }) => test(left) && [...next].some((place) => place.test(right))),
    touches: (code) => places.some(({ test }) => test(code)),
    covers: (code) =>
      alternatives.some(({ first, last, keeps, looks }) =>
        first.some(
          (place) =>
            place.test(code) &&
            last.includes(place) &&
            !looks.includes(place) &&
            (!keeps || first.every((other) => other === place || !other.test(code))),
        ),
      ),
  };
}

function placeOf(test: Test): Part {
  const place = { test, next: new Set<Place>() };
  return { ...EMPTY, empty: false, first: [place], last: [place], all: [place] };
}

function inOrder(a: Part, b: Part): Part {
  for (const place of a.last) for (const next of b.first) place.next.add(next);
  return {
    empty: a.empty && b.empty,
    first: a.empty ? [...a.first, ...b.first] : a.first,
    last: b.empty ? [...a.last, ...b.last] : b.last,
    all: [...a.all, ...b.all],
    looks: [...a.looks, ...b.looks],
    keeps: a.keeps || b.keeps,
  };
}

function either(parts: readonly Part[]): Part {
  return {
    empty: parts.some(({ empty }) => empty),
    first: parts.flatMap(({ first }) => first),
    last: parts.flatMap(({ last }) => last),
    all: parts.flatMap(({ all }) => all),
    looks: parts.flatMap(({ looks }) => looks),
    keeps: parts.some(({ keeps }) => keeps),
  };
}

const WHITE_SPACE = /^\p{White_Space}$/u;
const escapes: Readonly<Record<string, RegExp>> = {
  s: WHITE_SPACE,
  S: /^\P{White_Space}$/u,
  d: /^\p{Nd}$/u,
  D: /^\P{Nd}$/u,
  w: /^[\p{L}\p{M}\p{N}\p{Pc}]$/u,
  W: /^[^\p{L}\p{M}\p{N}\p{Pc}]$/u,
};
const controls: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', f: '\f', v: '\v' };

class Parser {
  #at = 0;
  readonly #characters: readonly string[];
  #anyCase = false;

  constructor(source: string) {
    this.#characters = Array.from(source);
  }

  read(): Part[] {
    const alternatives = this.#alternatives();
    if (this.#at < this.#characters.length || alternatives.some(({ empty }) => empty)) throw new Unread();
    return alternatives;
  }

  #alternatives(): Part[] {
    const parts = [this.#sequence()];
    while (this.#take('|')) parts.push(this.#sequence());
    return parts;
  }

  #sequence(): Part {
    let whole: Part = EMPTY;
    for (let next = this.#peek(); next !== undefined && next !== '|' && next !== ')'; next = this.#peek()) {
      if (this.#takeAll('(?!\\S)') || this.#takeAll('(?=\\s)')) {
        // It looks at one character after what is matched so far.
        if (whole.empty) throw new Unread();
        whole = { ...whole, looks: [...whole.looks, ...whole.last] };
      } else {
        whole = inOrder(whole, this.#quantified());
      }
    }
    return whole;
  }

  #quantified(): Part {
    let part = this.#atom();
    for (;;) {
      const [least, most] = this.#quantifier();
      if (least === undefined || most === undefined) return part;
      if (most > 1) for (const place of part.last) for (const next of part.first) place.next.add(next);
      // Counted twice or more it is no match of one character.
      if (least > 1) part = inOrder(part, copyOf(part));
      if (least === 0) part = { ...part, empty: true };
      if (this.#take('+')) part = { ...part, keeps: true };
      else this.#take('?');
    }
  }

  #quantifier(): [least?: number, most?: number] {
    if (this.#take('?')) return [0, 1];
    if (this.#take('*')) return [0, Infinity];
    if (this.#take('+')) return [1, Infinity];
    if (this.#peek() !== '{') return [];
    const counts = /^\{(\d+)(,?)(\d*)\}/.exec(this.#characters.slice(this.#at, this.#at + 12).join(''));
    if (counts === null) throw new Unread();
    this.#at += counts[0].length;
    const least = Number(counts[1]);
    if (counts[2] === '') return [least, least];
    return [least, counts[3] === '' ? Infinity : Number(counts[3])];
  }

  #atom(): Part {
    if (this.#take('(')) return this.#group();
    if (this.#take('[')) return placeOf(this.#anyCased(this.#class()));
    if (this.#take('.')) return placeOf((code) => code !== 0x0a);
    if (this.#take('\\')) return placeOf(this.#anyCased(this.#escape()));
    const character = this.#next();
    if ('^$*+?{}'.includes(character)) throw new Unread();
    return placeOf(this.#anyCased(only(character)));
  }

  #group(): Part {
    const outer = this.#anyCase;
    const atomic = this.#takeAll('?>');
    if (this.#takeAll('?i:')) this.#anyCase = true;
    else if (!atomic && !this.#takeAll('?:') && this.#peek() === '?') throw new Unread();
    const part = either(this.#alternatives());
    this.#anyCase = outer;
    if (!this.#take(')')) throw new Unread();
    return atomic ? { ...part, keeps: true } : part;
  }

  #class(): Test {
    const negated = this.#take('^');
    const tests: Test[] = [];
    if (this.#peek() === ']') throw new Unread();
    while (!this.#take(']')) {
      if (this.#takeAll('&&') || this.#peek() === undefined || this.#takeAll('[:')) throw new Unread();
      if (this.#take('[')) {
        tests.push(this.#class());
        continue;
      }
      const from = this.#member();
      if (typeof from === 'string' && this.#peek() === '-' && this.#characters[this.#at + 1] !== ']') {
        this.#at++;
        const to = this.#member();
        if (typeof to !== 'string') throw new Unread();
        const [first, last] = [codeOf(from), codeOf(to)];
        tests.push((code) => code >= first && code <= last);
      } else {
        tests.push(typeof from === 'string' ? only(from) : from);
      }
    }
    return (code) => tests.some((test) => test(code)) !== negated;
  }

  #member(): string | Test {
    if (!this.#take('\\')) return this.#next();
    const control = controls[this.#peek() ?? ''];
    if (control !== undefined || /[^\p{L}\p{N}]/u.test(this.#peek() ?? 'a')) {
      const character = this.#next();
      return control ?? character;
    }
    return this.#escape();
  }

  #escape(): Test {
    const character = this.#next();
    if (character === 'p' || character === 'P') return this.#property(character);
    const known = escapes[character];
    if (known !== undefined) return (code) => known.test(String.fromCodePoint(code));
    const control = controls[character];
    if (control === undefined && /[\p{L}\p{N}]/u.test(character)) throw new Unread();
    return only(control ?? character);
  }

  #property(letter: string): Test {
    const name = /^\{(\w+)\}/.exec(this.#characters.slice(this.#at, this.#at + 40).join(''))?.[0];
    if (name === undefined) throw new Unread();
    this.#at += name.length;
    let expression: RegExp;
    try {
      expression = new RegExp(`^\\${letter}${name}$`, 'u');
    } catch {
      throw new Unread();
    }
    return (code) => expression.test(String.fromCodePoint(code));
  }

  #anyCased(test: Test): Test {
    if (!this.#anyCase) return test;
    return (code) => {
      const character = String.fromCodePoint(code);
      const upper = character.toUpperCase();
      return [character, character.toLowerCase(), upper, upper.toLowerCase()].some((each) => test(codeOf(each)));
    };
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #next(): string {
    const character = this.#characters[this.#at++];
    if (character === undefined) throw new Unread();
    return character;
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }

  #takeAll(text: string): boolean {
    if (!Array.from(text).every((character, index) => this.#characters[this.#at + index] === character)) return false;
    this.#at += text.length;
    return true;
  }
}

/** The same places again, for a part that is there at least twice. */
function copyOf(part: Part): Part {
  const copies = new Map(part.all.map((place) => [place, { test: place.test, next: new Set<Place>() }]));
  const of = (place: Place): Place => copies.get(place) ?? place;
  for (const [place, copy] of copies) for (const next of place.next) copy.next.add(of(next));
  return {
    ...part,
    first: part.first.map(of),
    last: part.last.map(of),
    all: part.all.map(of),
    looks: part.looks.map(of),
  };
}

function only(character: string): Test {
  const wanted = codeOf(character);
  return (code) => code === wanted;
}

function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0;
}
