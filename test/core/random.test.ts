import test from 'ava';
import fc from '../property.js';
import { type RandomStream, RandomStreams } from '../../core/index.js';
import { NormalDrawing } from '../../plugins/models/contract.js';
import { philox } from '../../core/random/philox.js';

test('philox gives the numbers of the published test vectors', (t) => {
  const hex = (...given: [key: Parameters<typeof philox>[0], counter: Parameters<typeof philox>[1]]): string => {
    const words = new Uint32Array(4);
    philox(...given, words);
    return [...words].map((word) => word.toString(16).padStart(8, '0')).join(' ');
  };
  t.is(hex([0, 0], [0, 0, 0, 0]), '6627e8d5 e169c58d bc57ac4c 9b00dbd8');
  const ones = 0xffffffff;
  t.is(hex([ones, ones], [ones, ones, ones, ones]), '408f276d 41c83b0e a20bc7c6 6d5451fd');
  t.is(
    hex([0xa4093822, 0x299f31d0], [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344]),
    'd16cfe09 94fdcceb 5001e420 24126ea1',
  );
});

test('a restored stream continues with the same numbers, wherever it was saved', (t) => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(50), fc.string(), (seed, drawn, name) => {
      const streams = new RandomStreams(seed);
      for (let i = 0; i < drawn; i++) streams.stream(name).uint32();
      const saved = streams.state();
      const expected = Array.from({ length: 9 }, () => streams.stream(name).float());
      const again = new RandomStreams(seed);
      again.restore(saved);
      t.deepEqual(
        Array.from({ length: 9 }, () => again.stream(name).float()),
        expected,
      );
    }),
  );
});

test('a stream is independent of others, and another name or seed gives other numbers', (t) => {
  const alone = new RandomStreams(1).stream('a').uint32();
  const beside = new RandomStreams(1);
  beside.stream('b').uint32();
  t.is(beside.stream('a').uint32(), alone);
  t.not(new RandomStreams(1).stream('b').uint32(), alone);
  t.not(new RandomStreams(2).stream('a').uint32(), alone);
  t.not(beside.at('a', 0).uint32(), beside.at('a', 1).uint32());
});

test('floats, integers and normals have the right distribution', (t) => {
  const stream = new RandomStreams(7).stream('spread');
  const count = 20_000;
  let sum = 0;
  let squares = 0;
  const faces = new Array<number>(6).fill(0);
  for (let i = 0; i < count; i++) {
    const normal = stream.normal();
    sum += normal;
    squares += normal * normal;
    const face = stream.below(6);
    faces[face] = (faces[face] ?? 0) + 1;
  }
  t.true(Math.abs(sum / count) < 0.03);
  t.true(Math.abs(squares / count - 1) < 0.05);
  for (const hits of faces) t.true(Math.abs(hits - count / 6) < 250);
});

test('numbers drawn in bulk, on any number of threads, equal those drawn one by one', (t) => {
  const length = (1 << 21) + 4321;
  const from = (skipped: number): RandomStream => {
    const stream = new RandomStreams(2 ** 40 + 7).stream('bulk');
    for (let i = 0; i < skipped; i++) stream.uint32();
    return stream;
  };
  for (const [skipped, threads] of [
    [0, 1],
    [3, 2],
    [10, 3],
  ] as const) {
    const oneByOne = from(skipped);
    const expected = Float32Array.from({ length }, () => 0.02 * oneByOne.normal());
    const drawing = new NormalDrawing(length, threads);
    const bulk = from(skipped);
    const values = new Float32Array(length);
    // In unequal parts, some of which several threads share.
    for (const [begin, end] of [
      [0, 5],
      [5, 100_000],
      [100_000, length],
    ])
      drawing.fill(values.subarray(begin, end), bulk, 0.02);
    drawing.end();
    t.is(Buffer.compare(Buffer.from(values.buffer), Buffer.from(expected.buffer)), 0, `${threads} threads`);
    t.is(bulk.counter, oneByOne.counter);
  }
});

test('skipped numbers can be drawn later', (t) => {
  const [whole, parts] = [new RandomStreams(5).stream('a'), new RandomStreams(5).stream('a')];
  const expected = Array.from({ length: 9 }, (_, i) => (i < 4 ? whole.normal() : whole.float()));
  const [normals, floats] = [parts.skipNormals(4), parts.skipFloats(5)];
  t.is(parts.counter, whole.counter);
  const later = Array.from({ length: 5 }, () => floats.float());
  t.deepEqual([...Array.from({ length: 4 }, () => normals.normal()), ...later], expected);
});
