import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { probeEngines, shortName } from '../../plugins/engines/choice/choice.js';
import { textFolder } from '../core/run/debug-run.js';
import { assertResumes } from '../../plugins/testing/contract.js';
import { emptyFolder, espalier, ownTemporaryFolder } from './command.js';

const installed = (await probeEngines()).filter(({ probe }) => probe.works).map(({ plugin }) => shortName(plugin));
const temporary = ownTemporaryFolder();

const small = [
  'data={text: text.txt}',
  'model={n_layer: 2, n_head: 2, n_embd: 16, block_size: 16, vocab_size: null, dropout: 0.1}',
  'train={batch_size: 3, gradient_accumulation_steps: 2}',
  'plugins.evaluation={interval: 4, iters: 2}',
];
const set = (...settings: string[]): string[] => settings.flatMap((setting) => ['--set', setting]);

for (const preset of ['debug', 'gpt2']) {
  test(`preset ${preset}: a run that was stopped and resumed is the run that was not`, async (t) => {
    const { code, out, err } = await espalier(
      textFolder(t),
      'verify-resume',
      '-p',
      preset,
      '-n',
      '5',
      ...set(...small),
    );
    t.is(code, 0, out + err);
    for (const part of [
      'batches served',
      'training log',
      'weights',
      'optimizer',
      'random streams',
      'state of plugin token-shards',
    ]) {
      t.true(out.includes(`the same: ${part}`), `${part}\n${out}`);
    }
    t.regex(out, /the same run, bit for bit/);
    t.notRegex(out, /Not compared/);
    t.regex(out, /same engine, number of threads, precision/);
  });
}

test('--json says that nothing differs', async (t) => {
  const settings = set(...small, 'engine=auto');
  const { code, out, err } = await espalier(
    textFolder(t),
    'verify-resume',
    '-p',
    'debug',
    '-n',
    '3',
    ...settings,
    '--json',
  );
  t.is(code, 0, out + err);
  const { difference, notes } = JSON.parse(out) as { difference: unknown; notes: unknown };
  t.is(difference, null);
  t.deepEqual(notes, []);
});

/** With a stop where an evaluation is due: after three iterations. */
const stops = [
  { event: 'iteration:end', at: 3 },
  { event: 'evaluation:batch' },
  { event: 'step:ready', at: 5 },
] as const;

for (const engine of installed) {
  test.serial(`engine ${engine}: a run that was stopped and resumed is the run that was not`, async (t) => {
    await t.notThrowsAsync(assertResumes({ config: { engine } }, stops));
  });
}

for (const batches of [
  { strategy: 'sequential' },
  { strategy: 'epoch' },
  { strategy: 'mixture', weights: { text: 1 } },
  { strategy: 'curriculum', candidates: 20, round: 3 },
]) {
  test.serial(`batches ${batches.strategy}: the same`, async (t) => {
    await t.notThrowsAsync(assertResumes({ config: { batches } }, stops));
  });
}

test('a plugin that forgets what it did is found out, with the first thing that differs', async (t) => {
  const folder = textFolder(t);
  writeFileSync(
    path.join(folder, 'forgetful.ts'),
    `import { On, Plugin, tf, type GradientsReady } from 'espalier';
@Plugin({ name: 'forgetful', summary: 'scales gradients by how often it was called' })
export default class Forgetful {
  private calls = 0;
  @On('gradients:ready')
  scale({ gradients }: GradientsReady): void {
    this.calls++;
    for (const [name, gradient] of gradients) {
      gradients.set(name, tf.keep(tf.mul(gradient, 1 / this.calls)));
      gradient.dispose();
    }
  }
}
`,
  );
  const settings = set(...small, 'plugins={"./forgetful.ts": {}, evaluation: {interval: 0}}');
  const { code, out } = await espalier(folder, 'verify-resume', '-p', 'debug', '-n', '3', ...settings);
  t.is(code, 1, out);
  t.regex(out, /the same: batches served\nDIFFERENT: training log: \{"iter":4,/);
  t.regex(out, /Not compared: an evaluation after the stop, .*--set plugins\.evaluation\.interval=1 makes one/);
});

test.serial('what is wrong with the run itself is told, and nothing is left', async (t) => {
  const { code, err } = await espalier(emptyFolder(t), 'verify-resume', '-p', 'debug', ...set('data.text=none.txt'));
  t.is(code, 2);
  t.regex(err, /ended with exit code 2: .*none\.txt/);
  t.deepEqual(
    readdirSync(temporary).filter((name) => name.startsWith('espalier-verify-')),
    [],
  );
});
