import { copyOf, either, EMPTY, inOrder, patternOf, placeOf, type Part, type Pattern, type Test } from './places.js';

/**
 * Parses a regular expression with Oniguruma's semantics into positions and which may follow which (Glushkov's
 * construction). Quantifiers, possessive or not, and atomic groups are treated as the most they can match.
 * @returns undefined for anything else: look-behind, anchors, back references, class intersections
 */
export function readPattern(source: string): Pattern | undefined {
  try {
    return patternOf(new Parser(source).read());
  } catch (thrown) {
    if (thrown instanceof Unread) return undefined;
    throw thrown;
  }
}

class Unread extends Error {}

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
        // It looks at one character after what has matched so far.
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
      // Repeated twice or more, it does not match a single character.
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

function only(character: string): Test {
  const wanted = codeOf(character);
  return (code) => code === wanted;
}

function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0;
}
