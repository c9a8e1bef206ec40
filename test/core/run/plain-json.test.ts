import test from 'ava';
import fc from '../../property.js';
import { notPlain } from '../../../core/run/plugin-state.js';

test('values that survive JSON are plain', (t) => {
  fc.assert(fc.property(fc.jsonValue(), (value) => notPlain(value, 'state') === undefined));
  t.is(notPlain(Object.assign(Object.create(null) as object, { a: undefined }), 'state'), undefined);
});

const holdsItself: Record<string, unknown> = { list: [] };
holdsItself['list'] = [holdsItself];
class Counter {
  readonly count = 1;
}

for (const [value, told] of [
  [{ m: new Map() }, 'state.m is of class Map'],
  [new Set(), 'state is of class Set'],
  [{ a: [{ 'b c': new Float32Array(1) }] }, 'state.a[0]["b c"] is of class Float32Array'],
  [[new Date()], 'state[0] is of class Date'],
  [{ c: new Counter() }, 'state.c is of class Counter'],
  [{ v: NaN }, 'state.v is NaN'],
  [{ v: -Infinity }, 'state.v is -Infinity'],
  [{ b: 10n }, 'state.b is of type bigint'],
  [{ f: () => 1 }, 'state.f is of type function'],
  [[undefined], 'state[0] is undefined'],
  [holdsItself, 'state.list[0] holds itself'],
] as const) {
  test(`a value that JSON would change is reported: ${told}`, (t) => {
    t.is(notPlain(value, 'state'), told);
  });
}

test('the same object in two places is not a cycle', (t) => {
  const shared = { a: 1 };
  t.is(notPlain({ one: shared, two: [shared] }, 'state'), undefined);
});
