import test, { type ExecutionContext } from 'ava';
import type { EngineProbe } from '../../../core/contracts/engine.js';
import type { FoundPlugin } from '../../../core/families/resolve.js';
import { firstThatWorks } from '../../../plugins/engines/choice/choice.js';

const asked: string[] = [];

/** An engine whose probe answers that; on its static side it says that it may have a GPU where `gpu` is given. */
function engine(name: string, answer: Omit<EngineProbe, 'detail'>): FoundPlugin {
  class Answers {
    readonly backend = name;
    static probe(): EngineProbe {
      asked.push(name);
      return { detail: `${name} 1.0`, ...answer };
    }
    static mayHaveGpu(): boolean {
      return answer.gpu !== undefined;
    }
  }
  return { options: { name: `engine-${name}`, summary: '' }, class: Answers, source: 'built-in' };
}

async function taken(t: ExecutionContext, ...engines: FoundPlugin[]): Promise<string> {
  const lines: string[] = [];
  asked.length = 0;
  await firstThatWorks(engines, (line) => lines.push(line));
  t.is(lines.length, 1);
  return lines.join();
}

const broken = engine('native', { works: false, why: 'it was not built' });

test.serial('auto takes the first that works, says why not those before it, and asks none behind it', async (t) => {
  t.is(
    await taken(t, broken, engine('wasm', { works: true }), engine('cpu', { works: true })),
    'engine: wasm, wasm 1.0 (not taken: native: it was not built)',
  );
  t.deepEqual(asked, ['native', 'wasm']);
});

test.serial('where an engine has the choice, the precision that the run computes in is told', async (t) => {
  const lines: string[] = [];
  const both = engine('native', { works: true, autoPrecision: 'f32' });
  for (const precision of ['auto', 'bf16'] as const)
    await firstThatWorks([both], (line) => lines.push(line), precision);
  t.deepEqual(lines, [
    'engine: native, native 1.0, precision auto is f32',
    'engine: native, native 1.0, precision bf16',
  ]);
});

test.serial('one that computes on a GPU goes before those that are ranked better, which are not asked', async (t) => {
  t.is(
    await taken(t, engine('native', { works: true }), engine('tensorflow', { works: true, gpu: true })),
    'engine: tensorflow, tensorflow 1.0',
  );
  t.deepEqual(asked, ['tensorflow']);
});

test.serial('one that looked for a GPU in vain keeps its rank, and is asked once', async (t) => {
  const cpu = engine('tensorflow', { works: true, gpu: false });
  t.is(await taken(t, engine('native', { works: true }), cpu), 'engine: native, native 1.0');
  t.is(await taken(t, broken, cpu), 'engine: tensorflow, tensorflow 1.0 (not taken: native: it was not built)');
  t.deepEqual(asked, ['tensorflow', 'native']);
});

test.serial('where none works each says why', async (t) => {
  const gpu = engine('tensorflow', { works: false, gpu: true, why: 'it does not load' });
  await t.throwsAsync(
    firstThatWorks([broken, gpu], () => undefined),
    {
      message: 'no engine works here: native: it was not built; tensorflow: it does not load',
    },
  );
});
