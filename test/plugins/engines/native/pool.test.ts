import test from 'ava';
import { loadBinding, type NativeBinding } from '../../../../plugins/engines/native/binding.js';
import { FloatPool, Lease } from '../../../../plugins/engines/native/pool.js';
import { availableEngines } from '../../ops/engines.js';
import { engineNeed, skipped } from '../../../needs.js';

const native = (await availableEngines()).find(({ name }) => name === 'native');

if (native?.works !== true) {
  skipped('engine native: memory:', await engineNeed('native'));
} else {
  test('engine native: returned memory is reused, within a lease and after it', (t) => {
    const { pool, allocated } = counted();
    const lease = new Lease(pool);
    const [first, second] = [lease.take(1000), lease.take(1000)];
    t.not(first.buffer, second.buffer);
    lease.giveBack(first);
    // Different sizes of one size class.
    const again = lease.take(990);
    t.is(again.buffer, first.buffer);
    t.is(again.length, 990);
    t.is(allocated(), 2);

    t.not(pool.take(1000).buffer, first.buffer, 'what is leased is not the pool’s');
    t.is(allocated(), 3);
    lease.end();
    const back = new Set([pool.take(1000).buffer, pool.take(1000).buffer]);
    t.true(back.has(first.buffer) && back.has(second.buffer));
    t.is(allocated(), 3);
  });
}

function counted(): { pool: FloatPool; allocated: () => number } {
  const binding = loadBinding();
  let count = 0;
  const allocate: NativeBinding['allocate'] = (...call) => {
    count++;
    return binding.allocate(...call);
  };
  return { pool: new FloatPool({ ...binding, allocate }), allocated: () => count };
}
