import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { emptyFolder } from '../e2e/command.js';
import { espalier } from '../e2e/warm.js';
import { text } from '../text.js';
import { callsIn } from './commands.js';
import { namedFiles, pages } from './pages.js';

const settings = (...all: string[]): string[] => all.flatMap((each) => ['--set', each]);
/** Sizes that train in a moment. */
const SMALL = settings(
  ...['train.max_iters=4', 'train.batch_size=2', 'train.gradient_accumulation_steps=1', 'lr.warmup_iters=1'],
  ...['model.n_layer=1', 'model.n_head=2', 'model.n_embd=16', 'model.block_size=16', 'precision=f32'],
  ...['plugins.evaluation.interval=2', 'plugins.evaluation.iters=1'],
);
const book = [
  'train',
  '--preset',
  'char-small',
  ...settings('data={text: book.txt, tokenizer: gpt2}', 'run.name=book'),
];
const gpt2 = settings('model.activation=gelu_tanh', 'plugins.ema={}', 'plugins.checkpoint.interval=2');

/** Pages whose commands run in order in one folder, with what was done there before. */
const sessions: Readonly<Record<string, readonly (readonly string[])[]>> = {
  'README.md': [],
  'docs/start/first-run.md': [['train', '--preset', 'char-small']],
  'docs/start/your-text.md': [],
  'docs/guides/analysis.md': [],
  'docs/guides/batch-strategies.md': [],
  'docs/guides/checkpoints.md': [[...book, ...gpt2]],
  'docs/guides/data.md': [],
  'docs/guides/document-batches.md': [],
  'docs/guides/evaluators.md': [],
  'docs/guides/learning-rate.md': [],
  'docs/guides/loss-terms.md': [],
  'docs/guides/model.md': [[...book, ...gpt2]],
  'docs/guides/optimizers.md': [],
  'docs/guides/presets.md': [],
  'docs/guides/profiling.md': [],
  'docs/guides/resume.md': [],
  'docs/guides/scaling-schedule.md': [],
  'docs/guides/vocabulary.md': [['prepare', 'book.txt', '--out', 'data/book', '--tokenizer', 'gpt2']],
};

/** Calls that are only parsed: they wait for a person or the network, need the run or the machine of another, or take long. */
const NOT_RUN =
  /^(?:dashboard|chat|launch|engine|verify-resume)\b|--peak|--verify-determinism|--part|data\/web|init=|runs\/tune|runs\/run\b/;

for (const page of pages()) {
  const before = sessions[page.file];
  if (before === undefined) continue;
  test(`the commands of ${page.file} run, in order`, async (t) => {
    const folder = emptyFolder(t);
    const files = {
      'book.txt': `Once upon a time: ${text}`,
      'notes.jsonl': lines({ text: 'a note' }),
      'chats.jsonl': lines({
        messages: [
          { role: 'user', content: 'Up?' },
          { role: 'assistant', content: 'Down.' },
        ],
      }),
    };
    for (const [name, content] of [...Object.entries(files), ...namedFiles(page)]) {
      if (/^[\w.]+$/.test(name)) writeFileSync(path.join(folder, name), content);
    }
    const calls = callsIn(page).filter(({ args }) => !NOT_RUN.test(args.join(' ')));
    t.true(calls.length > 0);
    for (const args of [...before, ...calls.map((call) => call.args)]) {
      const { code, err } = await espalier(folder, ...small(args));
      t.is(code, 0, `espalier ${args.join(' ')}: ${err}`);
    }
  });
}

function lines(record: unknown): string {
  return `${JSON.stringify(record)}\n`.repeat(20);
}

function small(args: readonly string[]): string[] {
  if (args[0] !== 'train') return [...args];
  if (args.includes('--resume')) return [...args, ...settings('train.max_iters=6')];
  return [...args, ...SMALL, ...(args.includes('--force') || args.includes('--dry-run') ? [] : ['--force'])];
}
