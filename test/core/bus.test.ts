import test from 'ava';
import fc from '../property.js';
import { defineEvents, EventBus, EventTable, field, PluginError, type Registration } from '../../core/index.js';

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

test('an event is needed unless each of its listeners does without it, which it may say anew each time', (t) => {
  const bus = new EventBus();
  let needs = false;
  t.false(bus.isNeeded('evaluation:start'));
  bus.listen({ ...registration('sometimes'), needs: () => needs }, () => undefined);
  t.false(bus.isNeeded('evaluation:start'));
  needs = true;
  t.true(bus.isNeeded('evaluation:start'));
  needs = false;
  const remove = bus.on('evaluation:start', () => undefined);
  t.true(bus.isNeeded('evaluation:start'), 'a listener of the program');
  remove();
  bus.listen(registration('always'), () => undefined);
  t.true(bus.isNeeded('evaluation:start'));
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

test('a plugin that is not critical is reported once, muted at its third failure, and the others continue', (t) => {
  const reports: string[] = [];
  const bus = new EventBus((line) => reports.push(line));
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
  t.deepEqual(reports, [
    'plugin sink failed at evaluation:start: disk full; the run continues',
    'plugin sink failed at evaluation:start: disk full; it failed 3 times and is muted for the rest of the run',
  ]);
});

test('a spy sees every call of a plugin, and a listener of the program comes after them', (t) => {
  const bus = new EventBus();
  const seen: string[] = [];
  const remove = bus.spy({
    before: ({ plugin }) => seen.push(`> ${plugin}`),
    after: ({ plugin }) => seen.push(`< ${plugin}`),
  });
  bus.listen(registration('p'), () => {
    seen.push('p');
  });
  const removeWatcher = bus.on('evaluation:start', () => seen.push('watcher'));
  void bus.dispatch('evaluation:start', start);
  remove();
  removeWatcher();
  void bus.dispatch('evaluation:start', start);
  t.deepEqual(seen, ['> p', 'p', '< p', 'watcher', 'p']);
});

test('a spy sees the start and end of an event, around its listeners and watchers and around nested events', async (t) => {
  const bus = new EventBus();
  const seen: string[] = [];
  bus.spy({
    beforeEvent: (event) => seen.push(`> ${event}`),
    afterEvent: (event) => seen.push(`< ${event}`),
  });
  bus.listen(registration('p'), async () => {
    await Promise.resolve();
    await bus.dispatch('evaluation:due', start);
  });
  bus.on('evaluation:start', () => seen.push('watcher'));
  await bus.dispatch('evaluation:start', start);
  const expected = ['> evaluation:start', '> evaluation:due', '< evaluation:due', 'watcher', '< evaluation:start'];
  t.deepEqual(seen, expected);
});

test('a spy sees the end of an event even if a listener fails, at once or later', async (t) => {
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

test('a spy that is removed during an event still sees its end', (t) => {
  const bus = new EventBus();
  const seen: string[] = [];
  const remove = bus.spy({ beforeEvent: () => remove(), afterEvent: (event) => seen.push(event) });
  void bus.dispatch('evaluation:start', start);
  void bus.dispatch('evaluation:start', start);
  t.deepEqual(seen, ['evaluation:start']);
});

test('synchronous and asynchronous listeners run one after the other in the order they were added', async (t) => {
  const listener = fc.record({ turns: fc.nat(3), critical: fc.boolean(), removed: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(listener, { maxLength: 8 }), async (listeners) => {
      const bus = new EventBus();
      const seen: string[] = [];
      const removers = listeners.map(({ turns, critical }, index) =>
        bus.listen(registration(String(index), critical), (): void | Promise<void> => {
          seen.push(`> ${index}`);
          if (turns === 0) {
            seen.push(`< ${index}`);
            return;
          }
          return (async () => {
            for (let turn = 0; turn < turns; turn++) await Promise.resolve();
            seen.push(`< ${index}`);
          })();
        }),
      );
      listeners.forEach(({ removed }, index) => {
        if (removed) removers[index]?.();
      });
      const left = listeners.flatMap(({ turns, removed }, index) => (removed ? [] : [{ turns, index }]));
      t.deepEqual(
        bus.order('evaluation:start'),
        left.map(({ index }) => String(index)),
      );
      const pending = bus.dispatch('evaluation:start', start);
      t.is(
        pending === undefined,
        left.every(({ turns }) => turns === 0),
      );
      await pending;
      t.deepEqual(
        seen,
        left.flatMap(({ index }) => [`> ${index}`, `< ${index}`]),
      );
      t.deepEqual(bus.running, []);
    }),
    { numRuns: 200 },
  );
});

const teamEvents = defineEvents({
  'team:spike': { when: 'when a loss is high', payload: { ratio: field<number>('loss over its average') } },
});
declare module '../../core/index.js' {
  interface Events {
    'team:spike': { readonly ratio: number };
  }
}

test('an event that a plugin declares is typed, listed after the core’s, and an undeclared one is refused by name', (t) => {
  const bus = new EventBus(undefined, new EventTable([['team', teamEvents]]));
  const seen: number[] = [];
  bus.on('team:spike', ({ ratio }) => seen.push(ratio));
  void bus.dispatch('team:spike', { ratio: 2 });
  t.deepEqual(seen, [2]);
  t.like(bus.events.list().at(-1), { name: 'team:spike', from: 'team', when: 'when a loss is high' });
  // @ts-expect-error the compiler refuses it too
  t.throws(() => bus.dispatch('team:spikes', {}), {
    message: /^plugin core publishes "team:spikes", which is not an event: did you mean "team:spike"\?/,
  });
  t.throws(() => new EventBus().dispatch('team:spike', { ratio: 2 }), {
    message: /"team:spike", which is not an event/,
  });
});

test('two plugins may declare the same event alike, but not differently', (t) => {
  t.is(
    new EventTable([
      ['a', teamEvents],
      ['b', { ...teamEvents }],
    ])
      .list()
      .at(-1)?.from,
    'a',
  );
  const other = defineEvents({ 'team:spike': { when: 'at times', payload: { loss: field<number>('nats') } } });
  t.throws(
    () =>
      new EventTable([
        ['a', teamEvents],
        ['b', other],
      ]),
    { message: /^plugin a and plugin b both declare/ },
  );
  t.throws(() => new EventTable([['a', { metrics: other['team:spike'] }]]), { message: /^the core and plugin a both/ });
});
