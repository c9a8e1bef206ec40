import test from 'ava';
import fc from '../../property.js';
import { tf } from '../../../core/index.js';
import { causalAttention, keepPositions, nextAttention, registerOps } from '../../../plugins/index.js';
import { normals } from './cases.js';
import { assertClose, on } from './compare.js';
import { availableEngines } from './engines.js';
import { engineNeed, needing } from '../../needs.js';

const RUNS = 10;

const engines = await availableEngines();

test.before(async () => {
  await tf.setBackend('cpu');
  registerOps('cpu');
});

const drawn = fc.record({
  keyValueHeads: fc.integer({ min: 1, max: 3 }),
  group: fc.integer({ min: 1, max: 3 }),
  part: fc.integer({ min: 1, max: 19 }),
  texts: fc.integer({ min: 1, max: 3 }),
  begun: fc.integer({ min: 1, max: 5 }),
  next: fc.integer({ min: 1, max: 4 }),
  seed: fc.nat(),
});

for (const { name, need, backend } of [{ name: 'cpu', need: await engineNeed('cpu'), backend: 'cpu' }, ...engines]) {
  needing(need).serial(`nextAttention: engine ${name}, position by position, equals a whole pass`, (t) => {
    fc.assert(
      fc.property(drawn, ({ keyValueHeads, group, part, texts, begun, next, seed }) => {
        const [heads, time] = [group * keyValueHeads, begun + next];
        const row = (heads + 2 * keyValueHeads) * part;
        on(backend, () => {
          const [begin, rest] = normals(seed, [1, begun, row], [texts, next, row]).map(({ values, shape }) =>
            tf.tensor<tf.Rank.R3>(values, [shape[0]!, shape[1]!, row]),
          );
          const whole = tf.concat([tf.tile(begin!, [texts, 1, 1]), rest!], 1);
          const expected = causalAttention(whole, heads, { keyValueHeads });
          let kept = keepPositions(begin!, texts, time, { heads, keyValueHeads });
          for (let position = begun; position < time; position++) {
            const qkv = tf.slice(whole, [0, position, 0], [texts, 1, row]);
            const { y, after } = nextAttention(qkv, kept, heads, position, { keyValueHeads });
            kept = after;
            const there = tf.slice(expected, [0, position, 0], [texts, 1, heads * part]);
            assertClose(y.dataSync<'float32'>(), there.dataSync<'float32'>(), `position ${String(position)}`);
          }
        });
      }),
      { numRuns: RUNS },
    );
    t.pass();
  });
}

test.serial('numbers of heads that do not divide each other or the width are refused', (t) => {
  on('cpu', () => {
    const qkv = tf.ones<tf.Rank.R3>([1, 2, 12]);
    t.throws(() => causalAttention(qkv, 3, { keyValueHeads: 2 }), {
      message: '3 heads with 2 of keys and values: the former must be a multiple',
    });
    t.throws(() => causalAttention(qkv, 6, { keyValueHeads: 2 }), {
      message: '6 heads with 2 of keys and values do not divide a width of 12',
    });
  });
});
