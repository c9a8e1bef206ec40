import test from 'ava';
import { retried, retriedSync } from '../../../plugins/files/writing/retried.js';

const refuses = (code: string, times: number): (() => number) => {
  let tries = 0;
  return () => {
    tries++;
    if (tries <= times) throw Object.assign(new Error(code), { code });
    return tries;
  };
};

test('where an open file is in no one’s way, the first failure counts; on Windows it is tried again', async (t) => {
  if (process.platform === 'win32') {
    t.is(await retried(() => Promise.resolve().then(refuses('EPERM', 2))), 3);
    t.is(retriedSync(refuses('EBUSY', 3)), 4);
  } else {
    await t.throwsAsync(
      retried(() => Promise.resolve().then(refuses('EPERM', 1))),
      { code: 'EPERM' },
    );
    t.throws(() => retriedSync(refuses('EBUSY', 1)), { code: 'EBUSY' });
  }
  t.throws(() => retriedSync(refuses('ENOSPC', 1)), { code: 'ENOSPC' });
  t.is(retriedSync(refuses('EPERM', 0)), 1);
});
