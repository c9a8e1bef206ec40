import test from 'ava';
import { defineConfig, type ConfigSettings } from '../../../plugins/index.js';
import { composeConfig } from '../../../plugins/configs/layers/compose.js';

declare module '../../../plugins/configs/typed/settings.js' {
  interface ModelPlugins {
    './typed.ts': { width?: number };
  }
}

test('defineConfig returns what it is given, and a run composes it', async (t) => {
  const config = defineConfig({
    extends: ['debug'],
    seed: 3,
    engine: 'auto',
    data: { text: 'book.txt', tokenizer: { use: 'char' } },
    batches: { strategy: 'sequential', prefetch: 2 },
    model: { use: 'llama', n_kv_head: 2 },
    optimizer: { learning_rate: 1e-3, groups: [{ role: 'norm', weight_decay: 0 }] },
    lr: './mine.ts',
    plugins: { csv: true, checkpoint: { keep: { last: 2 } }, progress: false, './mine.ts': { above: 3 } },
  });
  const { value } = await composeConfig({ cwd: '.', configFile: false, code: [{ source: 'code', settings: config }] });
  t.like(value, { seed: 3, model: { use: 'llama', n_kv_head: 2 }, plugins: { csv: {}, progress: false } });
});

test('the compiler refuses what a run refuses', (t) => {
  const wrong: ConfigSettings[] = [
    // @ts-expect-error an unknown key
    { trian: {} },
    // @ts-expect-error a wrong type
    { train: { max_iters: '3' } },
    // @ts-expect-error a value that is not listed
    { precision: 'f31' },
    // @ts-expect-error an unknown plugin
    { batches: 'randm' },
    // @ts-expect-error an option of another plugin
    { model: { use: 'gpt', n_kv_head: 2 } },
    // @ts-expect-error an option of none
    { optimizer: { learning_rates: 1 } },
    // @ts-expect-error an unknown feature
    { plugins: { progres: {} } },
    // @ts-expect-error an unknown option of a feature
    { plugins: { checkpoint: { intervall: 3 } } },
    // @ts-expect-error an option of a plugin of one's own that is declared otherwise
    { model: { use: './typed.ts', width: 'wide' } },
  ];
  t.is(wrong.length, 9);
});
