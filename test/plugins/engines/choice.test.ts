import test, { type ExecutionContext } from 'ava';
import type { EngineProbe } from '../../../core/contracts/engine.js';
import type { FoundPlugin } from '../../../core/families/load.js';
import { chooseEngine, firstThatWorks } from '../../../plugins/engines/choice/choice.js';

const asked: string[] = [];

/** Returns an engine with this probe result; `gpu` is what its static `mayHaveGpu` returns, if given. */
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

test.serial(
  'auto chooses the first engine that works, logs why earlier ones do not, and probes no later one',
  async (t) => {
    t.is(
      await taken(t, broken, engine('wasm', { works: true }), engine('cpu', { works: true })),
      'engine: wasm, wasm 1.0 (not taken: native: it was not built)',
    );
    t.deepEqual(asked, ['native', 'wasm']);
  },
);

test.serial('the precision is logged for an engine that supports several', async (t) => {
  const lines: string[] = [];
  const both = engine('native', { works: true, autoPrecision: 'f32' });
  for (const precision of ['auto', 'bf16'] as const)
    await firstThatWorks([both], (line) => lines.push(line), precision);
  t.deepEqual(lines, [
    'engine: native, native 1.0, precision auto is f32',
    'engine: native, native 1.0, precision bf16',
  ]);
});

test.serial('an engine on a GPU is preferred to better ranked ones', async (t) => {
  t.is(
    await taken(t, engine('native', { works: true }), engine('tensorflow', { works: true, gpu: true })),
    'engine: tensorflow, tensorflow 1.0',
  );
  t.deepEqual(asked, ['tensorflow']);
});

test.serial('an engine that finds no GPU keeps its rank, and is probed once', async (t) => {
  const cpu = engine('tensorflow', { works: true, gpu: false });
  t.is(await taken(t, engine('native', { works: true }), cpu), 'engine: native, native 1.0');
  t.is(await taken(t, broken, cpu), 'engine: tensorflow, tensorflow 1.0 (not taken: native: it was not built)');
  t.deepEqual(asked, ['tensorflow', 'native']);
});

test.serial('if no engine works, the error lists every reason', async (t) => {
  const gpu = engine('tensorflow', { works: false, gpu: true, why: 'it does not load' });
  await t.throwsAsync(
    firstThatWorks([broken, gpu], () => undefined),
    {
      message: 'no engine works here: native: it was not built; tensorflow: it does not load',
    },
  );
});

test.serial('auto says what an engine needs before it takes its device', async (t) => {
  const lines: string[] = [];
  const unchecked = engine('xla', { works: true, gpu: false, advice: 'check the device of xla' });
  const plugin = await firstThatWorks([engine('native', { works: true }), unchecked], (line) => lines.push(line));
  t.is(plugin.options.name, 'engine-native');
  t.deepEqual(lines, ['engine: native, native 1.0', 'check the device of xla']);
});

test('a device is no engine: the error names the engine that has it, or the one to install', async (t) => {
  await t.throwsAsync(() => chooseEngine('cuda', import.meta.dirname, 'auto', () => undefined), {
    message:
      /^cuda is no engine: (set engine: \w+ \(|no engine finds a GPU or TPU here; `espalier engine install xla`)/,
  });
});
