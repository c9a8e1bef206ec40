import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Dataset, Engine, Ranks, type RunSettings } from '../../../core/index.js';
import { Evaluators } from '../../../plugins/evaluation/contract.js';
import {
  assertDeclaredMetrics,
  assertNoLeaks,
  assertResumes,
  assertTwoRanks,
  MemoryCheckpoints,
  testRanks,
  testRun,
  type TestRun,
  type TestRunOptions,
} from '../../../plugins/testing/contract.js';
import { emptyFolder } from '../../e2e/command.js';

/** A run that has learned its text: `the quick brown fox jumps over the lazy dog. `, over and over. */
const learned = (async (): Promise<MemoryCheckpoints> => {
  const checkpoints = new MemoryCheckpoints();
  await using run = await testRun({ ...settings({}), checkpoints });
  await run.train();
  return checkpoints;
})();

function settings(plugins: NonNullable<RunSettings['plugins']>): TestRunOptions {
  const model = { n_embd: 32, block_size: 16, dropout: 0 };
  const config: RunSettings = { model, optimizer: { learning_rate: 0.01 }, train: { batch_size: 4 }, plugins };
  return { config, iterations: 120 };
}

/** Options of a run with these lines in the file that it measures. */
function optionsFor(t: ExecutionContext, lines: readonly string[], more: object = {}): TestRunOptions {
  const folder = emptyFolder(t);
  writeFileSync(path.join(folder, 'own.jsonl'), lines.join('\n'));
  const generation = { files: { own: 'own.jsonl' }, max_tokens: 12, stop: [' '], ...more };
  return { ...settings({ generation }), cwd: folder };
}

const line = (prompt: string, answer: string): string => JSON.stringify({ prompt, answer });
const words = [
  line('the quick ', ' brown '),
  line('brown fox ', 'jumps'),
  line('lazy ', 'dog.'),
  line('jumps over ', 'the'),
  line('fox jumps ', 'under'),
];

async function learnedRun(t: ExecutionContext, options: TestRunOptions): Promise<TestRun> {
  const run = await testRun({ ...options, checkpoints: await learned });
  t.teardown(() => run.dispose());
  return run;
}

async function measured({ run }: TestRun): Promise<number | undefined> {
  const [evaluator] = run.container.resolve(Evaluators);
  const { tokenizer } = run.container.resolve(Dataset);
  const context = { engine: run.container.resolve(Engine), stop: () => false, onBatch: () => undefined };
  const values = await evaluator?.run(run.model, tokenizer, run.container.resolve(Ranks), context);
  return values?.['own/exact_match'];
}

test('an answer is what the model writes up to the first stop text, without surrounding spaces', async (t) => {
  const cut = [line('brown fox ', 'ju'), line('lazy ', 'dog.')];
  t.is(await measured(await learnedRun(t, optionsFor(t, cut, { stop: ['never', 'mp', ' '] }))), 1);
  t.is(await measured(await learnedRun(t, optionsFor(t, words))), 0.8);
});

test('an answer of several words needs no stop text, and ends at max_tokens', async (t) => {
  const lines = [line('the quick', 'brown fox'), line('jumps over', 'the lazy d')];
  t.is(await measured(await learnedRun(t, optionsFor(t, lines, { stop: [], max_tokens: 11 }))), 1);
});

test('sampled answers are the same at each measurement, and on any number of ranks', async (t) => {
  const options = optionsFor(t, words, { temperature: 1.5 });
  const run = await learnedRun(t, options);
  const first = await measured(run);
  t.true(first !== undefined && first < 0.8);
  t.is(await measured(run), first);
  const checkpoints = await learned;
  const ranks = await testRanks(3, { ...options, checkpoints });
  t.teardown(() => Promise.all(ranks.map((rank) => rank.dispose())));
  t.deepEqual(await Promise.all(ranks.map(measured)), [first, first, first]);
});

test('a run measures at evaluations, on two ranks too, and resumes exactly', async (t) => {
  const options: TestRunOptions = { ...optionsFor(t, words, { max_tokens: 5 }), iterations: 3 };
  await using run = await testRun(options);
  await run.train();
  t.is(run.events.metric('own/exact_match').size, 1);
  await assertDeclaredMetrics(options);
  await assertTwoRanks(options);
  await assertResumes(options, [{ event: 'evaluation:batch' }, { event: 'iteration:end', at: 1 }]);
});

test.serial('it leaves no tensors behind', async (t) => {
  await assertNoLeaks({ ...optionsFor(t, words, { max_tokens: 5 }), iterations: 7 });
  t.pass();
});

const bad: Readonly<Record<string, readonly [line: string, message: RegExp]>> = {
  'an example without an answer': ['{"prompt": "the"}', /own\.jsonl:2: answer: /],
  'an answer of spaces': ['{"prompt": "the", "answer": " "}', /own\.jsonl:2: answer: give at least one/],
  'an answer of unknown characters': ['{"prompt": "the", "answer": "THE"}', /own\.jsonl:2: answer: .*"T"/],
  'an answer longer than max_tokens': [
    '{"prompt": "the", "answer": "quickbrownfoxes"}',
    /own\.jsonl:2: answer: .*15 tokens.*max_tokens is 12/,
  ],
  'an answer with a stop text': ['{"prompt": "the", "answer": "brown fox"}', /own\.jsonl:2: answer: contains " "/],
  'an empty prompt': ['{"prompt": "", "answer": "fox"}', /own\.jsonl:2: prompt: give at least one/],
  'broken JSON': ['{"prompt": "the"', /own\.jsonl:2: is not JSON/],
};
for (const [what, [wrong, message]] of Object.entries(bad)) {
  test(`${what} is refused before training, with file, line and key`, async (t) => {
    const options = optionsFor(t, [line('the', 'fox'), wrong]);
    const refused = await t.throwsAsync(testRun(options));
    t.like(refused, { code: 'ESP_EVALUATION_FILE' });
    t.regex(refused.message, message);
  });
}
