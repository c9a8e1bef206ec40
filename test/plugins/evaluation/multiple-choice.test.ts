import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { z } from 'zod';
import { Dataset, Engine, Ranks, type RunSettings } from '../../../core/index.js';
import { useEngine } from '../../../core/tf.js';
import { Evaluators } from '../../../plugins/evaluation/contract.js';
import { readExamples } from '../../../plugins/evaluation/evaluators/example-file.js';
import { questionOf, recordSchema, type Question } from '../../../plugins/evaluation/multiple-choice/questions.js';
import { batchesOf, scoresOf } from '../../../plugins/evaluation/multiple-choice/score.js';
import {
  assertDeclaredMetrics,
  assertNoLeaks,
  assertResumes,
  testRanks,
  testRun,
  trainTogether,
  type TestRun,
  type TestRunOptions,
} from '../../../plugins/testing/contract.js';
import { emptyFolder } from '../../e2e/command.js';
import { espalier } from '../../e2e/warm.js';
import { textFolder } from '../../text.js';

const fixtures = path.resolve('test/fixtures');
const examples = path.join(fixtures, 'multiple-choice/examples.jsonl');
const text = readFileSync(path.join(fixtures, 'multiple-choice/text.txt'), 'utf8');
const scoresSchema = z.array(z.array(z.object({ sum: z.number(), mean: z.number() })));
const expected = scoresSchema.parse(
  JSON.parse(readFileSync(path.join(fixtures, 'multiple-choice/torch.json'), 'utf8')),
);

/** The model of the fixture, with the tokens that the reference has. */
function optionsFor(choices: Readonly<Record<string, unknown>>, batchSize = 2): TestRunOptions {
  const model = { n_layer: 2, n_head: 2, n_embd: 16, block_size: 24, vocab_size: 48, activation: 'gelu_tanh' };
  const config: RunSettings = {
    init: path.join(fixtures, 'gpt2-tiny'),
    model,
    train: { batch_size: batchSize },
    plugins: { 'multiple-choice': choices },
  };
  return { text, config, iterations: 3 };
}

async function made(t: ExecutionContext, options: TestRunOptions): Promise<TestRun> {
  const run = await testRun(options);
  t.teardown(() => run.dispose());
  return run;
}

async function questionsOf({ run }: TestRun): Promise<Question[]> {
  const { tokenizer } = run.container.resolve(Dataset);
  if (tokenizer === undefined) throw new Error('the data has no tokenizer');
  const read = readExamples({ name: examples, path: examples, key: 'files' }, recordSchema, 0);
  return Promise.all(read.map((each) => questionOf(each, tokenizer, run.model.blockSize)));
}

/** What the evaluator of a run measures. */
async function measured({ run }: TestRun): Promise<Readonly<Record<string, number>>> {
  const [evaluator] = run.container.resolve(Evaluators);
  const { tokenizer } = run.container.resolve(Dataset);
  const context = { engine: run.container.resolve(Engine), stop: () => false, onBatch: () => undefined };
  return (await evaluator?.run(run.model, tokenizer, run.container.resolve(Ranks), context)) ?? {};
}

const bestOf = (scores: readonly number[]): number => scores.indexOf(Math.max(...scores));

test('each ending has the score that transformers computes, whatever else is in its batch', async (t) => {
  const run = await made(t, optionsFor({ files: { own: examples } }));
  const questions = await questionsOf(run);
  t.is(questions.length, expected.length);
  useEngine(run.run.container.resolve(Engine));
  const together = scoresOf(run.run.model, questions);
  for (const [index, question] of questions.entries()) {
    const [alone = []] = scoresOf(run.run.model, [question]);
    for (const [ending, { sum, mean }] of (expected[index] ?? []).entries()) {
      const length = question.rows[ending]?.endingLength ?? NaN;
      for (const score of [alone[ending] ?? NaN, together[index]?.[ending] ?? NaN]) {
        t.true(
          Math.abs(score - sum) < 1e-3,
          `question ${String(index)}, ending ${String(ending)}: ${String(score)}, not ${String(sum)}`,
        );
        t.true(Math.abs(score / length - mean) < 1e-4);
      }
    }
  }
});

test('accuracies match the reference, with equal bits on one rank and on three, in batches of any size', async (t) => {
  const run = await made(t, optionsFor({ files: { own: examples } }));
  const labels = (await questionsOf(run)).map(({ label }) => label);
  const share = (of: 'sum' | 'mean'): number =>
    expected.filter((scores, index) => bestOf(scores.map((score) => score[of])) === labels[index]).length /
    labels.length;
  const values = await measured(run);
  t.deepEqual(values, { 'own/accuracy': share('sum'), 'own/accuracy_norm': share('mean') });
  t.deepEqual(await measured(await made(t, optionsFor({ files: { own: examples } }, 50))), values);
  const ranks = await testRanks(3, optionsFor({ files: { own: examples } }));
  t.teardown(() => Promise.all(ranks.map((rank) => rank.dispose())));
  t.deepEqual(await Promise.all(ranks.map(measured)), [values, values, values]);
});

test('each file has metrics under its name, and a limit uses the first examples', async (t) => {
  const run = await made(t, optionsFor({ files: { one: examples, two: examples }, limit: 1 }));
  const right = bestOf((expected[0] ?? []).map(({ sum }) => sum)) === 3 ? 1 : 0;
  const values = await measured(run);
  t.deepEqual(Object.keys(values), ['one/accuracy', 'one/accuracy_norm', 'two/accuracy', 'two/accuracy_norm']);
  t.deepEqual([values['one/accuracy'], values['two/accuracy']], [right, right]);
});

test('batches contain whole questions of similar length, and no more tokens than allowed', async (t) => {
  const questions = await questionsOf(await made(t, optionsFor({ files: { own: examples } })));
  const batches = batchesOf(questions, 300);
  t.true(batches.length > 1 && batches.length < questions.length);
  t.is(batches.flat().length, questions.length);
  t.is(new Set([...batches.flat(), ...questions]).size, questions.length);
  for (const batch of batches) {
    const rows = batch.flatMap((question) => question.rows);
    t.true(batch.length === 1 || rows.length * Math.max(...rows.map(({ ids }) => ids.length - 1)) <= 300);
  }
});

const right = { ctx: 'the dog', endings: ['runs', 'walks'], label: 0 };
const bad: Readonly<Record<string, readonly [line: string, message: RegExp]>> = {
  'a label out of range': [
    JSON.stringify({ ...right, label: 2 }),
    /bad\.jsonl:3: label: 2 is not one of the 2 endings: .* 0 to 1/,
  ],
  'a label that is no number': [JSON.stringify({ ...right, label: 'a' }), /bad\.jsonl:3: label: .*number/],
  'no endings': [JSON.stringify({ ...right, endings: [] }), /bad\.jsonl:3: endings: .*two/],
  'an ending of another type': [
    JSON.stringify({ ...right, endings: ['runs', 4] }),
    /bad\.jsonl:3: endings\.1: .*string/,
  ],
  'an ending without a token': [
    JSON.stringify({ ...right, endings: ['runs', ''] }),
    /bad\.jsonl:3: endings\.1: .*token/,
  ],
  'an ending of unknown characters': [
    JSON.stringify({ ...right, endings: ['runs', 'A'] }),
    /bad\.jsonl:3: endings\.1: .*"A"/,
  ],
  'an ending longer than the window': [
    JSON.stringify({ ...right, endings: ['runs', 'a'.repeat(30)] }),
    /bad\.jsonl:3: endings\.1: .*31 tokens.*24/,
  ],
  'no context': [JSON.stringify({ ...right, ctx: '' }), /bad\.jsonl:3: ctx: /],
  'broken JSON': ['{"ctx": ', /bad\.jsonl:3: is not JSON/],
  'no object': ['[]', /bad\.jsonl:3: /],
};
for (const [what, [line, message]] of Object.entries(bad)) {
  test(`${what} is refused before training, with file, line and key`, async (t) => {
    const folder = emptyFolder(t);
    writeFileSync(path.join(folder, 'bad.jsonl'), `${JSON.stringify(right)}\n\n${line}\n`);
    const refused = await t.throwsAsync(testRun({ ...optionsFor({ files: { own: 'bad.jsonl' } }), cwd: folder }));
    t.like(refused, { code: 'ESP_EVALUATION_FILE' });
    t.regex(refused.message, message);
  });
}

test('a run measures at evaluations, on two ranks too, and resumes exactly', async (t) => {
  const options = optionsFor({ files: { own: examples }, interval: 2 });
  await using run = await testRun({ ...options, set: ['plugins.evaluation.interval=1'] });
  await run.train();
  t.deepEqual([...run.events.metric('own/accuracy').keys()], [2, 3]);
  t.true(run.log.some(({ line }) => line.startsWith('iteration 2: multiple-choice: own/accuracy 0.')));
  await assertDeclaredMetrics(options);
  const ranks = await testRanks(2, options);
  t.teardown(() => Promise.all(ranks.map((rank) => rank.dispose())));
  await trainTogether(ranks);
  const [first, second] = ranks.map(({ events }) => events.metric('own/accuracy'));
  t.is(first?.size, 1);
  t.deepEqual(second, first);
  await assertResumes(options, [{ event: 'evaluation:batch' }, { event: 'iteration:end', at: 1 }]);
});

test.serial('it leaves no tensors behind', async (t) => {
  await assertNoLeaks({ ...optionsFor({ files: { own: examples } }), iterations: 7 });
  t.pass();
});

test('espalier evaluate gives the same numbers as the last evaluation', async (t) => {
  const folder = textFolder(t);
  const lines = [
    { prompt: 'the quick brown', answer: 'fox' },
    { prompt: 'the lazy', answer: 'dog' },
  ];
  writeFileSync(path.join(folder, 'words.jsonl'), lines.map((line) => JSON.stringify(line)).join('\n'));
  const question = { ctx: 'the quick brown', endings: ['fox jumps', 'dog', 'over the lazy'], label: 0 };
  writeFileSync(path.join(folder, 'ends.jsonl'), JSON.stringify(question));
  const config = `
extends: [debug]
data: { text: text.txt }
train: { max_iters: 20 }
plugins:
  multiple-choice: { files: { ends: ends.jsonl } }
  generation: { files: { words: words.jsonl }, max_tokens: 4 }
`;
  writeFileSync(path.join(folder, 'espalier.config.yaml'), config);
  const trained = await espalier(folder, 'train', '--set', 'run.dir=out');
  t.is(trained.code, 0, trained.err);
  const logged = readFileSync(path.join(folder, 'out/metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
  const evaluated = await espalier(folder, 'evaluate', 'out', '--only', 'multiple-choice,generation', '--json');
  t.is(evaluated.code, 0, evaluated.err);
  const { iteration, ...values } = z.looseObject({ iteration: z.int() }).parse(JSON.parse(evaluated.out));
  delete values['checkpoint'];
  t.deepEqual(Object.keys(values), ['ends/accuracy', 'ends/accuracy_norm', 'words/exact_match']);
  t.like(Object.assign({}, ...logged), values);
  t.is(iteration, 20);
});

test('missing and empty files, and invalid names, are refused', async (t) => {
  const folder = emptyFolder(t);
  writeFileSync(path.join(folder, 'empty.jsonl'), '\n');
  const refusal = async (files: Record<string, string>): Promise<string> =>
    (await t.throwsAsync(testRun({ ...optionsFor({ files }), cwd: folder }))).message;
  t.regex(await refusal({ own: 'none.jsonl' }), /plugins\.multiple-choice\.files\.own: none\.jsonl cannot be read/);
  t.regex(await refusal({ own: 'empty.jsonl' }), /plugins\.multiple-choice\.files\.own: empty\.jsonl is empty/);
  t.regex(await refusal({ 'a b': 'empty.jsonl' }), /letters/);
  t.regex(await refusal({}), /at least one file/);
});
