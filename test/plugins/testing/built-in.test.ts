import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import type { PluginChoice, RunSettings } from '../../../core/index.js';
import { builtInNames } from '../../../core/runs.js';
import { conformance, testRun } from '../../../plugins/testing/contract.js';
import { sharedFolder } from '../../e2e/command.js';
import { espalier } from '../../e2e/warm.js';
import { text } from '../../text.js';

/** Files that options name. */
const folder = sharedFolder();
const questions = [
  { ctx: 'the quick brown ', endings: ['fox', 'dog'], label: 0 },
  { ctx: 'the lazy ', endings: ['fox', 'dog'], label: 1 },
];
const prompts = [
  { prompt: 'the quick brown ', answer: 'fox' },
  { prompt: 'the lazy ', answer: 'dog' },
];

/** It keeps the number of tensors, which the check `leaks` counts. */
const operation = { trigger: { metric: 'val/loss', below: 0.1 }, max_wait_iters: 2, reevaluate: false };
const schedule = JSON.stringify([
  { name: 'widen_mlp', value: 80, ...operation },
  { name: 'change_lr', value: 0.5, ...operation },
]);

test.before(async () => {
  for (const [name, records] of Object.entries({ questions, prompts })) {
    writeFileSync(path.join(folder, `${name}.jsonl`), records.map((each) => `${JSON.stringify(each)}\n`).join(''));
  }
  writeFileSync(path.join(folder, 'text.txt'), text);
  writeFileSync(path.join(folder, 'records.jsonl'), text.replaceAll(/([^.]+\.) ?/g, '{"text":"$1"}\n'));
  writeFileSync(path.join(folder, 'schedule.json'), schedule);
  for (const args of [
    ['prepare', 'records.jsonl', '--out', 'documents', '--tokenizer', 'bytes'],
    ['prepare', 'text.txt', '--out', 'words', '--tokenizer', 'gpt2'],
    ['vocab', 'build', 'words', '--size', '12', '--out', 'map.json'],
  ]) {
    const { code, err } = await espalier(folder, ...args);
    if (code !== 0) throw new Error(err);
  }
  await using teacher = await testRun({ folder: path.join(folder, 'teacher'), iterations: 2 });
  await teacher.train();
});

/** Plugins that are checked in one run: as many as go together, since most of a check is its runs. */
interface Group {
  /** Named in a config: the slots that they fill. */
  readonly config?: RunSettings;
  readonly features: readonly PluginChoice[];
  readonly set?: readonly string[];
  readonly fills: readonly string[];
}

const groups: Readonly<Record<string, Group>> = {
  'what runs have by default, and sinks': {
    fills: [
      'gpt',
      'adamw',
      'lr-warmup-cosine',
      'batches-random',
      'char-tokenizer',
      'evaluation',
      'checkpoint',
      'signals',
    ],
    features: ['csv', 'run-log', 'tensorboard', 'progress', 'training-metrics', 'system-metrics', 'batch-digest'],
  },
  'what measures': {
    config: {
      model: { use: 'llama', n_layer: 1, n_head: 2, n_embd: 16, block_size: 8, dropout: 0.1 },
      optimizer: 'lion',
      lr: 'constant',
      batches: { strategy: 'sequential', prefetch: 0 },
    },
    set: ['data.tokenizer=bytes'],
    fills: ['llama', 'lion', 'lr-constant', 'batches-sequential', 'bytes-tokenizer'],
    features: ['ema', 'early-stopping', 'health', 'histograms', 'parameter-changes', 'perplexity', 'bits-per-byte'],
  },
  'what writes texts, and what looks at time': {
    config: { optimizer: 'muon', lr: 'linear', batches: { strategy: 'epoch', prefetch: 0 } },
    fills: ['muon', 'lr-linear', 'batches-epoch'],
    features: [
      ['samples', { tokens: 8 }],
      ['generation', { files: { animals: 'prompts.jsonl' }, max_tokens: 4 }],
      ['multiple-choice', { files: { animals: 'questions.jsonl' } }],
      'profiler',
      'trace',
      'report',
    ],
  },
  'what works in threads': {
    config: { optimizer: 'sgd', lr: 'wsd', batches: { strategy: 'curriculum', candidates: 20, round: 3 } },
    fills: ['sgd', 'lr-wsd', 'batches-curriculum'],
    features: ['z-loss', 'label-smoothing', 'analysis', ['dashboard', { port: 0 }], ['wandb', { mode: 'offline' }]],
  },
  'what learns from another model': {
    config: { lr: 'inverse-sqrt', batches: { strategy: 'mixture', weights: { text: 1 } } },
    fills: ['lr-inverse-sqrt', 'batches-mixture'],
    features: [['distillation', { teacher: 'teacher' }]],
  },
  'what reads files of tokens': {
    config: { data: { dir: 'words' } },
    fills: ['token-shards', 'gpt2-tokenizer', 'remapped-tokenizer'],
    features: [['vocab-remap', { file: 'map.json' }]],
  },
  'what packs documents': {
    config: { data: { dir: 'documents' }, batches: 'documents' },
    fills: ['batches-documents'],
    features: [],
  },
  'what changes the run': {
    fills: [],
    features: [['scaling-schedule', { file: 'schedule.json' }]],
  },
  'what prefers some windows': {
    config: { batches: { strategy: 'importance' } },
    fills: ['batches-importance'],
    features: [],
  },
};

/** Plugins that are in no group, and why. */
const elsewhere: Readonly<Record<string, string>> = {
  'engine-cpu': 'the check `engines` trains on each engine that works here',
  'engine-native': 'likewise',
  'engine-tensorflow': 'likewise',
  'engine-wasm': 'likewise',
  'engine-xla': 'likewise',
  'data-parallel': 'it joins processes of MPI: test/e2e/data-parallel.test.ts',
  'determinism-check': 'it waits for a second process: test/e2e/verify-determinism.test.ts',
  'hf-tokenizer': 'needs a library and a file: test/plugins/tokenizers',
};

test('every built-in plugin is in a group, or it is said why not', (t) => {
  const grouped = Object.values(groups).flatMap(({ features, fills }) => [
    ...fills,
    ...features.flatMap((feature) => (typeof feature === 'string' ? [feature] : [feature].flat().slice(0, 1))),
  ]);
  t.deepEqual([...grouped, ...Object.keys(elsewhere)].map(String).sort(), builtInNames());
});

for (const [what, { config = {}, set = [], features }] of Object.entries(groups)) {
  test.serial(`every check passes: ${what}`, async (t) => {
    const [subject = 'evaluation', ...plugins] = features;
    const results = await conformance(subject, { cwd: folder, config, set, plugins });
    t.deepEqual(
      results.filter(({ result }) => result === 'failed').map(({ check, message }) => `${check}: ${String(message)}`),
      [],
    );
  });
}
