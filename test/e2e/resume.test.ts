import { cpSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { findCheckpoint } from '../../plugins/checkpoint/stored/find.js';
import NativeEngine from '../../plugins/engines/native/index.js';
import { engineNeed, needing } from '../needs.js';
import { text, textFolder } from '../text.js';
import { emptyFolder, espalier as espalierAlone, sharedFolder, type Outcome } from './command.js';
import { espalier } from './warm.js';

const native = await engineNeed('native');

const tiny = `
extends: [debug]
engine: auto
data: { text: text.txt }
model: { n_embd: 16, block_size: 16 }
train: { max_iters: 6, batch_size: 3 }
lr: { decay_iters: 40 }
plugins: { evaluation: { interval: 3, iters: 1 } }
`;

const trained = sharedFolder();
test.before(async (t) => {
  writeFileSync(path.join(trained, 'text.txt'), text);
  writeFileSync(path.join(trained, 'espalier.config.yaml'), tiny);
  const { code, err } = await espalier(trained, 'train');
  t.is(code, 0, err);
});

/** A folder with a config file and a finished run of 6 iterations. */
function finished(t: ExecutionContext): { folder: string; train: (...args: string[]) => Promise<Outcome> } {
  const folder = emptyFolder(t);
  cpSync(trained, folder, { recursive: true });
  return { folder, train: (...args) => espalier(folder, 'train', ...args) };
}

function iterations(folder: string, run = 'runs/debug'): number[] {
  const lines = readFileSync(path.join(folder, run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line) => (JSON.parse(line) as { iter: number }).iter);
}

test('new settings apply and are logged; unchanged ones and defaults come from the checkpoint', async (t) => {
  const { folder, train } = finished(t);
  const more = await train('--resume', '-s', 'train.max_iters=9', '-s', 'optimizer.learning_rate=5e-4');
  t.is(more.code, 0, more.err);
  t.regex(more.err, /train\.max_iters: 6 -> 9/);
  t.regex(more.err, /optimizer\.learning_rate: 0\.001 -> 0\.0005/);
  t.regex(more.err, /resuming from .*000006 at iteration 6/);

  // The file still says 6, as it did when the checkpoint was made.
  const again = await train('--resume');
  t.is(again.code, 0, again.err);
  t.regex(
    again.err,
    /train\.max_iters stays 9 \(espalier\.config\.yaml:\d+ has 6, as when .*; --override train\.max_iters changes it\)/,
  );

  writeFileSync(path.join(folder, 'espalier.config.yaml'), tiny.replace('max_iters: 6', 'max_iters: 12'));
  const edited = await train('--resume');
  t.regex(edited.err, /train\.max_iters: 9 -> 12/);
  t.is(Math.max(...iterations(folder)), 12);

  writeFileSync(path.join(folder, 'espalier.config.yaml'), tiny);
  const forced = await train('--resume', '--override', 'train.max_iters');
  t.regex(forced.err, /train\.max_iters: 12 -> 6/);
});

test('a fixed setting is refused by name before anything is changed, and applied with --override', async (t) => {
  const { train } = finished(t);
  const refused = await train('--resume', '-s', 'seed=7');
  t.is(refused.code, 2);
  t.regex(refused.err, /--set: seed is 7, and 1337 in the checkpoint.*--override seed \[ESP_RESUME_FIXED\]/);
  const strategy = await train('--resume', '-s', 'batches=epoch');
  t.regex(strategy.err, /batches\.strategy is "epoch", and "random" in the checkpoint.*ESP_RESUME_FIXED/);

  const impossible = await train('--resume', '-s', 'model.n_embd=32', '--override', 'model');
  t.is(impossible.code, 2);
  t.regex(impossible.err, /do not fit the model: .*wte\.weight is \[\d+,16\] there and \[\d+,32\] here/);

  const cropped = await train(
    '--resume',
    '-s',
    'model.block_size=8',
    '--override',
    'model.block_size',
    '-s',
    'train.max_iters=8',
  );
  t.is(cropped.code, 0, cropped.err);
  t.regex(cropped.err, /model\.block_size: 16 -> 8/);
  t.regex(cropped.err, /1 mapped: transformer\.wpe\.weight -> transformer\.wpe\.weight \[8,16\]/);

  const engine = await train('--resume', '-s', 'precision=f32', '-s', 'train.max_iters=9');
  t.regex(engine.err, /precision: "auto" -> "f32"; the run resumes, but its results will not be bit-identical/);

  const other = await train('--resume', '-s', 'engine=cpu', '-s', 'train.max_iters=10');
  t.regex(other.err, /engine\.use: "auto" -> "cpu"/);
  t.regex(other.err, /computed with \w+: .*, this run computes with cpu: .*not be bit-identical/);
});

needing(native)(
  'auto that is another precision than the checkpoint’s is warned about, and how to keep it',
  async (t) => {
    const { train } = finished(t);
    const auto = NativeEngine.probe().autoPrecision ?? 'f32';
    const other = auto === 'f32' ? 'bf16' : 'f32';
    const native = ['--resume', '-s', 'engine=native'];
    const explicit = await train(...native, '-s', `precision=${other}`, '-s', 'train.max_iters=7');
    t.is(explicit.code, 0, explicit.err);
    const again = await train(...native, '-s', 'precision=auto', '-s', 'train.max_iters=8');
    t.is(again.code, 0, again.err);
    const line = `computed with native: .*, ${other}, .* computes with native: .*, ${auto}, .*; --set precision=${other} keeps the precision`;
    t.regex(again.err, new RegExp(line));
  },
);

test('--resume RUN takes the config from the checkpoint; a run that was moved resumes where it is now', async (t) => {
  const { folder } = finished(t);
  mkdirSync(path.join(folder, 'elsewhere'));
  renameSync(path.join(folder, 'runs/debug'), path.join(folder, 'elsewhere/moved'));
  renameSync(path.join(folder, 'espalier.config.yaml'), path.join(folder, 'old.yaml'));
  const named = await espalier(folder, 'train', '--resume', 'elsewhere/moved', '-s', 'train.max_iters=8');
  t.is(named.code, 0, named.err);
  t.regex(named.err, /done after 8 iterations; the run is in elsewhere\/moved/);
  const earlier = await espalier(
    folder,
    'train',
    '--resume',
    'elsewhere/moved/checkpoints/000006',
    '-s',
    'train.max_iters=7',
  );
  t.is(earlier.code, 0, earlier.err);
  t.regex(earlier.err, /resuming from .*000006 at iteration 6/);
  t.regex(earlier.err, /000008.*aside/);
  const best = await findCheckpoint('elsewhere/moved/checkpoints/best', folder);
  t.true(parseInt(path.basename(best), 10) <= 7, 'what was set aside is the best no more');
  t.is(Math.max(...iterations(folder, 'elsewhere/moved')), 7);

  renameSync(path.join(folder, 'elsewhere'), path.join(folder, 'runs2'));
  const none = await espalier(folder, 'train', '--resume', 'elsewhere/moved');
  t.is(none.code, 2);
  t.regex(none.err, /has no checkpoint|does not exist/);
});

test('with resume: auto the same command starts and resumes; --override and --resume-drop need a resume', async (t) => {
  const folder = textFolder(t);
  writeFileSync(path.join(folder, 'espalier.config.yaml'), `resume: auto${tiny}`);
  const start = await espalier(folder, 'train', '--stop-after', '4');
  t.is(start.code, 0, start.err);
  t.regex(start.err, /stopped: --stop-after 4 after 4 iterations/);
  const on = await espalier(folder, 'train');
  t.is(on.code, 0, on.err);
  t.regex(on.err, /resuming from .*000004 at iteration 4/);
  const over = await espalier(folder, 'train', '--force', '--stop-after', '2');
  t.is(over.code, 0, over.err);
  t.regex(over.err, /after 2 iterations/);
  for (const flag of ['--override=seed', '--resume-drop=evaluation']) {
    const alone = await espalier(folder, 'train', flag, '--set', 'resume=never');
    t.is(alone.code, 2);
    t.regex(alone.err, /needs a run to resume: add --resume/);
  }
});

test('plugin state is strict: missing, extra or newer is refused by name, unless it is dropped', async (t) => {
  const { folder, train } = finished(t);
  const added = await train('--resume', '-s', 'plugins.batch-digest={}', '-s', 'train.max_iters=7');
  t.is(added.code, 2);
  t.regex(added.err, /lacks the state of plugin batch-digest.*--resume-drop batch-digest \[ESP_CHECKPOINT_PLUGIN\]/);
  const dropped = await train(
    '--resume',
    '-s',
    'plugins.batch-digest={}',
    '-s',
    'train.max_iters=7',
    '--resume-drop',
    'batch-digest',
  );
  t.is(dropped.code, 0, dropped.err);
  const off = await train('--resume', '-s', 'plugins.batch-digest=false');
  t.is(off.code, 2);
  t.regex(off.err, /holds the state of plugin batch-digest, which this run does not have/);
  const wrong = await train('--resume', '--resume-drop', 'batchdigest');
  t.regex(wrong.err, /--resume-drop batchdigest: neither checkpoint/);

  const counter = (version: number): void => {
    writeFileSync(
      path.join(folder, 'counter.ts'),
      `import { Plugin } from 'espalier';
@Plugin({ name: 'counter', summary: 'remembers', stateVersion: ${version} })
export default class Counter {
  state() { return 1; }
  restore() {}
}
`,
    );
  };
  counter(2);
  const newer = ['-s', 'plugins={"./counter.ts": {}}', '-s', 'train.max_iters=8'];
  const kept = await train('--resume', ...newer, '--resume-drop', 'counter');
  t.is(kept.code, 0, kept.err);
  counter(1);
  // A process of its own: it has the plugin's file as it is now.
  const older = await espalierAlone(folder, 'train', '--resume', '-s', 'train.max_iters=9');
  t.is(older.code, 2);
  t.regex(older.err, /state of plugin counter in version 2, newer than 1; update the plugin/);
});

test('weights come in by name with wrappers’ prefixes stripped, and those without a place are reported', async (t) => {
  const { folder, train } = finished(t);
  const source = path.join(folder, 'runs/debug/checkpoints/000006');
  const started = await train('-s', `init=${source}`, '-s', 'run.name=second', '-s', 'model.block_size=8');
  t.is(started.code, 0, started.err);
  t.regex(started.err, /weights from .*000006/);
  t.regex(started.err, /1 mapped: transformer\.wpe\.weight/);
});
