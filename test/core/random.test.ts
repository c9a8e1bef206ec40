import test from 'ava';
import fc from 'fast-check';
import { RandomStreams } from '../../core/index.js';
import { philox } from '../../core/random/philox.js';

test('philox gives the numbers of the published test vectors', (t) => {
  const hex = (words: Uint32Array): string => [...words].map((word) => word.toString(16).padStart(8, '0')).join(' ');
  t.is(hex(philox([0, 0], [0, 0, 0, 0])), '6627e8d5 e169c58d bc57ac4c 9b00dbd8');
  const ones = 0xffffffff;
  t.is(hex(philox([ones, ones], [ones, ones, ones, ones])), '408f276d 41c83b0e a20bc7c6 6d5451fd');
  t.is(
    hex(philox([0xa4093822, 0x299f31d0], [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344])),
    'd16cfe09 94fdcceb 5001e420 24126ea1',
  );
});

test('restoring a stream goes on with the same numbers, wherever it was left', (t) => {
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

test('a stream does not change when others are drawn from, and two names or seeds give other numbers', (t) => {
  const alone = new RandomStreams(1).stream('a').uint32();
  const beside = new RandomStreams(1);
  beside.stream('b').uint32();
  t.is(beside.stream('a').uint32(), alone);
  t.not(new RandomStreams(1).stream('b').uint32(), alone);
  t.not(new RandomStreams(2).stream('a').uint32(), alone);
  t.not(beside.at('a', 0).uint32(), beside.at('a', 1).uint32());
});

test('floats, integers and normals are spread as they should be', (t) => {
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
