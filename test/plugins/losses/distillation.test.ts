import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { z } from 'zod';
import { tf } from '../../../core/index.js';
import type { LossTerm } from '../../../plugins/losses/contract.js';
import { HardTargets } from '../../../plugins/losses/distillation/hard-targets.js';
import { softTargetLosses } from '../../../plugins/losses/distillation/soft-targets.js';
import { registerOps } from '../../../plugins/index.js';
import {
  assertDeclaredMetrics,
  assertNoLeaks,
  assertResumes,
  assertTwoRanks,
  testRun,
  type TestRunOptions,
} from '../../../plugins/testing/contract.js';
import { tinyText } from '../../../plugins/testing/run/tiny.js';
import { sharedFolder } from '../../e2e/command.js';
import { espalier } from '../../e2e/warm.js';
import { needing } from '../../needs.js';
import { textFolder } from '../../text.js';
import { assertClose } from '../ops/compare.js';
import { availableEngines } from '../ops/engines.js';
import { lossInParts } from './parts.js';

const numbers = z.array(z.number());
const choicesSchema = z.object({ weight: z.number(), temperature: z.number(), cross_entropy: z.number() });
const fixture = z
  .object({
    ...{ student: numbers, teacher: numbers, targets: numbers },
    cases: z.array(z.object({ choices: choicesSchema, loss: z.number(), gradient: numbers })),
  })
  .parse(JSON.parse(readFileSync('test/fixtures/distillation/torch.json', 'utf8')));

const engines = [{ name: 'cpu', check: needing().serial }];
for (const { name, need } of await availableEngines()) engines.push({ name, check: needing(need).serial });
test.before(() => {
  registerOps('cpu');
});

for (const { name: engine, check } of engines) {
  for (const { choices, loss, gradient } of fixture.cases) {
    check(`${JSON.stringify(choices)}: loss and gradient are PyTorch's, engine ${engine}`, (t) => {
      const { weight, temperature } = choices;
      const soft: LossTerm = {
        ...{ name: 'soft', metric: 'soft', weight },
        compute: (pass) =>
          pass.mean(softTargetLosses(pass.logits, () => tf.tensor3d(fixture.teacher, [2, 5, 7]), temperature)),
      };
      const given = { logits: fixture.student, targets: fixture.targets };
      const found = lossInParts(engine, given, [soft, new HardTargets(choices)]);
      t.true(Math.abs(found.loss - loss) < 3e-6 * loss, String(found.loss));
      assertClose(found.gradient, Float32Array.from(gradient), 'gradient', 1e-6);
    });
  }
}

/** A folder with the run of a teacher trained on the tiny text. */
const folder = sharedFolder();
const teacher = testRun({
  folder: path.join(folder, 'teacher'),
  iterations: 30,
  config: { model: { n_embd: 32, block_size: 16 }, optimizer: { learning_rate: 0.01 } },
}).then(async (run) => {
  await run.train();
  await run.dispose();
});

/** A student of the tiny text; `teacher` is the run above. */
async function student(choices: Readonly<Record<string, unknown>> = {}, more: TestRunOptions = {}) {
  await teacher;
  return { cwd: folder, ...more, plugins: [['distillation', { teacher: 'teacher', ...choices }]] } as const;
}

test.serial('a student approaches its teacher, and train/loss and val/loss stay cross-entropy', async (t) => {
  const config = { optimizer: { learning_rate: 0.01 }, plugins: { evaluation: { at_start: true } } };
  await using plain = await testRun({ config });
  await using run = await testRun(await student({}, { config, iterations: 40 }));
  await plain.train();
  await run.train();
  const [first, last] = [0, 39].map((at) => run.events.of('iteration:end')[at]?.terms['distillation'] ?? NaN);
  t.true((last ?? NaN) < 0.7 * (first ?? NaN), `${String(first)}, then ${String(last)}`);
  // Before anything was learned.
  t.is(run.events.losses.get(0), plain.events.losses.get(0));
  t.is(run.events.metric('val/loss').get(0), plain.events.metric('val/loss').get(0));
  t.not(run.events.losses.get(5), plain.events.losses.get(5));
});

test.serial('replayed passes use the teacher’s logits of their own batch', async (t) => {
  const termsOf = async (engine: string): Promise<number[]> => {
    await using run = await testRun(await student({}, { config: { engine } }));
    await run.train();
    return run.events.of('iteration:end').map(({ terms }) => terms['distillation'] ?? NaN);
  };
  const [expected, found] = [await termsOf('cpu'), await termsOf('auto')];
  for (const [at, value] of expected.entries()) t.true(Math.abs((found[at] ?? NaN) - value) < 1e-4 * value);
});

test.serial('a distilled run resumes exactly, and gives the same result on two ranks', async (t) => {
  const options = await student({ weight: 0.9, cross_entropy: 0.1 });
  await t.notThrowsAsync(assertResumes(options));
  await t.notThrowsAsync(assertTwoRanks(options));
  await t.notThrowsAsync(assertDeclaredMetrics(options));
});

test.serial('the teacher is disposed with the run, and no tensor leaks', async (t) => {
  const options = await student();
  await t.notThrowsAsync(assertNoLeaks(options));
  const before = tf.memory().numTensors;
  const run = await testRun(options);
  await run.train();
  await run.dispose();
  t.is(tf.memory().numTensors, before);
});

test.serial('with weight 0 no teacher is loaded', async (t) => {
  await using run = await testRun(await student({ teacher: 'nowhere', weight: 0 }));
  await run.train();
  t.deepEqual(run.events.of('iteration:end')[0]?.terms, {});
});

test.serial('a Hugging Face model teaches', async (t) => {
  const text = readFileSync('test/fixtures/multiple-choice/text.txt', 'utf8');
  const config = { model: { vocab_size: 48, block_size: 16 } };
  await using run = await testRun(
    await student({ teacher: path.resolve('test/fixtures/gpt2-tiny') }, { text, config }),
  );
  await run.train();
  t.true(run.events.of('iteration:end').every(({ terms }) => (terms['distillation'] ?? NaN) > 0));
});

test('a small model is distilled from a run of a preset', async (t) => {
  const cwd = textFolder(t);
  const base =
    'extends: [debug]\ndata: { text: text.txt }\ntrain: { max_iters: 60 }\noptimizer: { learning_rate: 0.01 }\n';
  const small =
    'model: { n_layer: 1, n_embd: 16 }\nplugins: { distillation: { teacher: teacher, cross_entropy: 0 } }\n';
  writeFileSync(path.join(cwd, 'teacher.yaml'), base);
  writeFileSync(path.join(cwd, 'student.yaml'), `${base}${small}`);
  const train = (name: string) => espalier(cwd, 'train', '--config', `${name}.yaml`, '--set', `run.dir=${name}`);
  t.is((await train('teacher')).code, 0);
  const trained = await train('student');
  t.is(trained.code, 0, trained.err);
  const metrics = readFileSync(path.join(cwd, 'student/metrics.jsonl'), 'utf8');
  const terms = [...metrics.matchAll(/"train\/distillation":([\d.]+)/g)].map(([, value]) => Number(value));
  t.true((terms.at(-1) ?? NaN) < 0.5 * (terms[0] ?? NaN), String(terms));
  const evaluated = await espalier(cwd, 'evaluate', 'student', '--json');
  t.is(evaluated.code, 0, evaluated.err);
});

const refused: Readonly<Record<string, readonly [more: TestRunOptions, choices: object, message: RegExp]>> = {
  'a missing folder': [{}, { teacher: 'nowhere' }, /nowhere/],
  'a shorter window': [
    { config: { model: { block_size: 32 } } },
    {},
    /window of .* has 16 tokens.* 32: lower model\.block_size/,
  ],
  'another vocabulary': [{ text: 'abcabcab'.repeat(99) }, {}, /vocabulary of .* has \d+ tokens, but the model's has 3/],
  'other characters': [{ text: tinyText.replaceAll('q', '!') }, {}, /another tokenizer/],
  'a shorter window of a Hugging Face model': [
    { config: { model: { block_size: 32 } } },
    { teacher: path.resolve('test/fixtures/gpt2-tiny') },
    /24 positions/,
  ],
};
for (const [what, [more, choices, message]] of Object.entries(refused)) {
  test.serial(`a teacher with ${what} is refused before training, with its place`, async (t) => {
    const options = await student({ ...choices }, more);
    const before = tf.memory().numTensors;
    const error = await t.throwsAsync(async () => {
      await using run = await testRun(options);
      await run.train();
    });
    t.like(error, { code: 'ESP_DISTILLATION' });
    t.regex(error.message, /^(?:.*: )?key plugins\.distillation\.teacher: /);
    t.regex(error.message, message);
    t.is(tf.memory().numTensors, before);
  });
}
