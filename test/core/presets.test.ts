import { readFileSync } from 'node:fs';
import test from 'ava';
import { listPresets } from '../../plugins/configs/reading/presets.js';
import { makeRun } from '../../core/run/make.js';

/** Settings that a preset leaves to its user. */
const needed: Record<string, string[]> = {
  base: ['data.text=any.txt'],
  'lora-finetune': ['data.text=any.txt'],
  'shrunken-vocab': ['plugins.vocab-remap=false'],
};

/** Presets that only other presets extend. */
const behind: Record<string, string[]> = { lora: ['sft'] };

for (const { name, summary } of listPresets()) {
  test(`preset ${name} names plugins and options that exist, and says what it is for`, async (t) => {
    const { run, plugins } = await makeRun({
      cwd: '.',
      presets: [...(behind[name] ?? []), name],
      set: needed[name] ?? [],
    });
    t.teardown(() => run.dispose());
    t.true(plugins.length >= 10);
    t.true(summary.length > 20);
    const end = run.explain().find(({ path: key }) => key === 'lr.decay_iters');
    t.is(end?.value, null, 'its schedule ends with the run, whatever max_iters is');
    t.true(readFileSync('docs/guides/presets.md', 'utf8').includes(`| \`${name}\``), 'the guide lists it');
  });
}
