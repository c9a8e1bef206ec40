import type { ExecutionContext } from 'ava';
import { testRun } from '../../../../plugins/testing/contract.js';
import { emptyFolder } from '../../../e2e/command.js';
import { writeOwnLlama } from './own-llama.js';
import { engineNeed, needing } from '../../../needs.js';

const run = needing(await engineNeed('native'));

/**
 * Returns the warnings of a four-iteration run with a model of TensorFlow.js operations, whose loss also does `also`.
 */
async function warningsOf(t: ExecutionContext, also: string): Promise<string[]> {
  const folder = emptyFolder(t);
  writeOwnLlama(folder, true, { loss: also });
  await using run = await testRun({ cwd: folder, iterations: 4, set: ['engine=native', 'model={use: ./mine.ts}'] });
  await run.train();
  return run.log.flatMap(({ level, line }) => (level === 'warn' ? [line] : []));
}

run('engine native: a run logs once which operations of its model run in JavaScript, and their share', async (t) => {
  const warnings = await warningsOf(t, 'tf.image.resizeBilinear(tf.zeros([1, 20, 20, 1]), [1500, 700]);');
  const told = warnings.filter((line) => line.includes('in JavaScript'));
  t.is(told.length, 1);
  t.regex(
    told[0] ?? '',
    /^\d+ % of a step are operations that the native engine runs in JavaScript: ResizeBilinear \d+ %/,
  );
});
