import type { ExecutionContext } from 'ava';
import { Engine } from '../../../../core/index.js';
import { watchKernels } from '../../../../plugins/profiler/trace/kernels.js';
import { testRun } from '../../../../plugins/testing/contract.js';
import { textFolder } from '../../../text.js';
import { espalier } from '../../../e2e/warm.js';
import { writeOwnLlama } from './own-llama.js';
import { engineNeed, needing } from '../../../needs.js';

const native = needing(await engineNeed('native'));

/** What a model without `operationsOf` may do to its logits [batch, time, vocabulary]. */
const models: Record<string, string> = {
  'dropout of its own': `
    const drawn = Float32Array.from({ length: logits.size }, () => this.random.normal());
    const isKept = tf.greater(tf.tensor(drawn, logits.shape), -1.2);
    return tf.div(tf.mul(logits, tf.cast(isKept, 'float32')), 0.885);`,
  'a constant of the iteration': `
    return tf.mul(logits, tf.add(1, 1 / (1 + (this.pass?.iteration ?? 0))));`,
  'a branch on its numbers': `
    const isLarge = tf.mean(tf.abs(logits)).dataSync()[0] > 0.05;
    return isLarge ? tf.mul(tf.tanh(logits), 2) : tf.where(tf.greater(logits, 0), tf.mul(logits, 3), logits);`,
};

for (const [name, change] of Object.entries(models)) {
  native.serial(`engine native: a model with ${name} gives the same bits in chains and one by one`, async (t) => {
    const folder = folderOf(t, change);
    const chained = await lossesOf(t, folder, false);
    t.is(new Set(chained).size, chained.length);
    t.deepEqual(await lossesOf(t, folder, true), chained);
  });
}

native.serial('engine native: a model with all of that gives the same bits when stopped and resumed', async (t) => {
  const all = Object.values(models).map((change) => `logits = (() => {${change}\n})();`);
  const folder = folderOf(t, `${all.join('\n')}\nreturn logits;`);
  const { code, out, err } = await espalier(
    folder,
    ...['verify-resume', '-p', 'debug', '-n', '5'],
    ...settings.flatMap((setting) => ['--set', setting]),
  );
  t.is(code, 0, out + err);
  t.regex(out, /the same run, bit for bit/);
});

const settings = [
  'engine=native',
  'data={text: text.txt}',
  'model={use: ./mine.ts}',
  'train.batch_size=3',
  'plugins.evaluation=false',
];

/** Returns a folder with a text and a model of plain operations with this code for its logits. */
function folderOf(t: ExecutionContext, change: string): string {
  const folder = textFolder(t);
  writeOwnLlama(folder, false, { logits: change });
  return folder;
}

/** Results of a short run; if kernels are watched, each runs when it is called. */
async function lossesOf(t: ExecutionContext, folder: string, isWatched: boolean): Promise<number[]> {
  await using made = await testRun({
    cwd: folder,
    presets: ['debug'],
    iterations: 4,
    config: { data: { text: 'text.txt' } },
    set: settings,
  });
  const { run } = made;
  const losses: number[] = [];
  run.bus.on('iteration:end', ({ loss }) => losses.push(loss));
  const { backend } = run.container.resolve(Engine);
  const stop = isWatched ? watchKernels(backend, { begin: () => undefined, end: () => undefined }) : undefined;
  try {
    await run.train();
  } finally {
    stop?.();
  }
  return losses;
}
