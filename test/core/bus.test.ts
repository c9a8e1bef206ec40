import test from 'ava';
import { EventBus, PluginError, type Registration } from '../../core/index.js';

const start = { iteration: 1 };

function registration(plugin: string, critical = true): Registration<'evaluation:start'> {
  return { plugin, event: 'evaluation:start', critical };
}

test('listeners run in order, and promises are awaited before the next', async (t) => {
  const bus = new EventBus();
  const seen: string[] = [];
  bus.listen(registration('slow'), async () => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    seen.push('slow');
  });
  bus.listen(registration('fast'), () => {
    seen.push('fast');
  });
  await bus.dispatch('evaluation:start', start);
  t.deepEqual(seen, ['slow', 'fast']);
  t.deepEqual(bus.order('evaluation:start'), ['slow', 'fast']);
});

test('no promise is made while every listener is synchronous', (t) => {
  const bus = new EventBus();
  bus.listen(registration('sync'), () => undefined);
  t.is(bus.dispatch('evaluation:start', start), undefined);
});

test('an error names plugin and event, keeps its cause, and stops the listeners after it', async (t) => {
  const bus = new EventBus();
  const cause = new Error('no');
  let later = false;
  bus.listen(registration('bad'), () => Promise.reject(cause));
  bus.listen(registration('later'), () => {
    later = true;
  });
  const error = await t.throwsAsync(async () => bus.dispatch('evaluation:start', start), { instanceOf: PluginError });
  t.is(error.message, 'plugin bad failed at evaluation:start: no');
  t.is(error.cause, cause);
  t.false(later);
});

test('a plugin that is not critical is reported once, muted at its third failure, and the others go on', (t) => {
  const reports: boolean[] = [];
  const bus = new EventBus((_error, muted) => reports.push(muted));
  let calls = 0;
  let others = 0;
  bus.listen(registration('sink', false), () => {
    calls++;
    throw new Error('disk full');
  });
  bus.listen(registration('other'), () => {
    others++;
  });
  for (let i = 0; i < 5; i++) void bus.dispatch('evaluation:start', start);
  t.is(calls, 3);
  t.is(others, 5);
  t.deepEqual(reports, [false, true]);
});

test('a spy sees every call, and plain eventemitter3 listeners watch after all plugins', (t) => {
  const bus = new EventBus();
  const seen: string[] = [];
  const remove = bus.spy({
    before: ({ plugin }) => seen.push(`> ${plugin}`),
    after: ({ plugin }) => seen.push(`< ${plugin}`),
  });
  bus.once('evaluation:start', () => seen.push('watcher'));
  bus.listen(registration('p'), () => {
    seen.push('p');
  });
  void bus.dispatch('evaluation:start', start);
  remove();
  void bus.dispatch('evaluation:start', start);
  t.deepEqual(seen, ['> p', 'p', '< p', 'watcher', 'p']);
});

test('a spy sees where an event begins and ends: around every listener and watcher, and around those it leads to', async (t) => {
  const bus = new EventBus();
  const seen: string[] = [];
  bus.spy({
    beforeEvent: (event) => seen.push(`> ${event}`),
    afterEvent: (event) => seen.push(`< ${event}`),
  });
  bus.on('evaluation:start', () => seen.push('watcher'));
  bus.listen(registration('p'), async () => {
    await Promise.resolve();
    await bus.dispatch('evaluation:due', start);
  });
  await bus.dispatch('evaluation:start', start);
  const expected = ['> evaluation:start', '> evaluation:due', '< evaluation:due', 'watcher', '< evaluation:start'];
  t.deepEqual(seen, expected);
});

test('an event ends for a spy when a listener fails too, at once or later', async (t) => {
  const bus = new EventBus();
  const seen: string[] = [];
  bus.spy({ afterEvent: (event) => seen.push(event) });
  bus.listen({ plugin: 'p', event: 'evaluation:due', critical: true }, () => {
    throw new Error('at once');
  });
  bus.listen(registration('q'), () => Promise.reject(new Error('later')));
  t.throws(() => bus.dispatch('evaluation:due', start), { message: /at once/ });
  await t.throwsAsync(async () => bus.dispatch('evaluation:start', start), { message: /later/ });
  t.deepEqual(seen, ['evaluation:due', 'evaluation:start']);
});

test('a spy that is taken away during an event still sees it end', (t) => {
  const bus = new EventBus();
  const seen: string[] = [];
  const remove = bus.spy({ beforeEvent: () => remove(), afterEvent: (event) => seen.push(event) });
  void bus.dispatch('evaluation:start', start);
  void bus.dispatch('evaluation:start', start);
  t.deepEqual(seen, ['evaluation:start']);
});
