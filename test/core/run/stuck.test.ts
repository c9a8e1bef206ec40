import test from 'ava';
import { EventBus } from '../../../core/events/bus.js';
import { unlessStuck } from '../../../core/run/stuck.js';

test.serial('waiting runs share one listener on the process, which is removed when they are done', async (t) => {
  const listening = (): number => process.listenerCount('beforeExit');
  const before = listening();
  const bus = new EventBus();
  let end = (): void => undefined;
  const work = new Promise<number>((resolve) => {
    end = () => {
      resolve(1);
    };
  });
  const waiting = Array.from({ length: 12 }, () => unlessStuck(bus, work));
  t.is(listening(), before + 1);
  end();
  t.deepEqual(await Promise.all(waiting), new Array<number>(12).fill(1));
  t.is(listening(), before);
});
