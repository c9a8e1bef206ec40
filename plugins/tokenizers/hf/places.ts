/** Returns whether a character, given as its code point, is in a class. */
export type Test = (code: number) => boolean;

/** What a regular expression can match, as far as it decides where a text may be cut. */
export interface Pattern {
  /**
   * Returns whether a match can contain `left` followed by `right`, or can depend on what lies beyond the cut between
   * them.
   */
  joins(left: number, right: number): boolean;
  /** Returns whether a match can contain a character. */
  touches(code: number): boolean;
  /** Returns whether a character is always part of a match, wherever it is. */
  covers(code: number): boolean;
}

/** Returns a pattern that matches a literal string. */
export function literalPattern(text: string): Pattern {
  const places = Array.from(text, (character) => placeOf((code) => code === character.codePointAt(0)));
  return patternOf([places.reduce<Part>((whole, place) => inOrder(whole, place), EMPTY)]);
}

export interface Place {
  readonly test: Test;
  readonly next: Set<Place>;
}

/** A subexpression: where its matches may start and end. */
export interface Part {
  readonly empty: boolean;
  readonly first: readonly Place[];
  readonly last: readonly Place[];
  readonly all: readonly Place[];
  /** Positions after which it looks ahead. */
  readonly looks: readonly Place[];
  /** True if it does not backtrack: it may then fail to match part of what it could match. */
  readonly keeps: boolean;
}

export const EMPTY: Part = { empty: true, first: [], last: [], all: [], looks: [], keeps: false };

export function patternOf(alternatives: readonly Part[]): Pattern {
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

export function placeOf(test: Test): Part {
  const place = { test, next: new Set<Place>() };
  return { ...EMPTY, empty: false, first: [place], last: [place], all: [place] };
}

export function inOrder(a: Part, b: Part): Part {
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

export function either(parts: readonly Part[]): Part {
  return {
    empty: parts.some(({ empty }) => empty),
    first: parts.flatMap(({ first }) => first),
    last: parts.flatMap(({ last }) => last),
    all: parts.flatMap(({ all }) => all),
    looks: parts.flatMap(({ looks }) => looks),
    keeps: parts.some(({ keeps }) => keeps),
  };
}

/** Duplicates the positions, for a subexpression that is repeated. */
export function copyOf(part: Part): Part {
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
