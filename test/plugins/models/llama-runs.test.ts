import test from 'ava';
import {
  assertNoLeaks,
  assertResumes,
  assertRollsBack,
  assertTwoRanks,
  type TestRunOptions,
} from '../../../plugins/testing/contract.js';

const llama = { use: 'llama', n_layer: 2, n_head: 4, n_kv_head: 2, qk_norm: true, tied: false, dropout: 0.1 };
const given: TestRunOptions = { config: { model: llama, optimizer: { use: 'muon' } } };

test.serial('a llama with dropout resumes and rolls back bit for bit', async (t) => {
  await assertResumes(given);
  await assertRollsBack(given);
  t.pass();
});

test.serial('a llama leaks no tensors, and gives the same result on two ranks', async (t) => {
  await assertNoLeaks(given);
  await assertTwoRanks(given);
  t.pass();
});

test.serial('a grown llama resumes', async (t) => {
  const operations = [
    ['stack_layers', [0, 1, 1]],
    ['widen_mlp', 400],
    ['set_layer_lora_rank', ['mlp', 2]],
    ['set_layer_lora_rank', ['output.1', 3]],
    ['freeze_layer', 'lm_head'],
  ].map(([name, value]) => ({ name, value, trigger_loss: 100, max_wait_iters: 1000, reevaluate: false }));
  const plugins: TestRunOptions['plugins'] = [
    ['scaling-schedule', { operations }],
    ['evaluation', { interval: 1, iters: 1 }],
  ];
  await assertResumes({ ...given, plugins, iterations: 8 });
  t.pass();
});
