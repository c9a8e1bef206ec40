import test from 'ava';
import type { FoundPlugin } from '../../../core/runs.js';
import type { ProbedEngine } from '../../../plugins/engines/choice/choice.js';
import { checkEngines } from '../../../plugins/engines/parity/check.js';

function engine(name: string, works: boolean, compared?: string): ProbedEngine {
  class Fake {
    readonly backend = name;
    static checkParity?: () => Promise<string>;
  }
  if (compared !== undefined) Fake.checkParity = () => Promise.resolve(compared);
  const plugin: FoundPlugin = { class: Fake, options: { name: `engine-${name}`, summary: name }, source: 'test' };
  return { plugin, probe: { works, detail: name, ...(works ? {} : { why: `${name} is not installed` }) } };
}

test('engines that have a check and work are compared', async (t) => {
  const engines = [engine('cpu', true), engine('a', true, 'losses of a'), engine('b', false, 'losses of b')];
  t.deepEqual(await checkEngines(engines), [{ engine: 'a', compared: 'losses of a' }]);
});

test('without an engine to compare, the error says what is missing', async (t) => {
  await t.throwsAsync(checkEngines([engine('cpu', true), engine('b', false, '')]), {
    code: 'ESP_ENGINE',
    message: '--parity: no engine that it compares works here (b: b is not installed)',
  });
});
