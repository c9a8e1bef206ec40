import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Model, Optimizer, tf } from '../../../core/index.js';
import { emptyFolder } from '../../e2e/command.js';
import {
  assertNoLeaks,
  assertResumes,
  assertRollsBack,
  assertTwoRanks,
  testRun,
  type TestRun,
  type TestRunOptions,
} from '../../../plugins/testing/contract.js';

const groups = [
  { layer_decay: 0.5 },
  { role: ['norm', 'bias'], weight_decay: 0.1 },
  { name: 'transformer.wpe.*', frozen: true },
];

/** Two blocks, one of which has an MLP that grows. */
const options = (optimizer: object): TestRunOptions => ({
  config: { optimizer: { ...optimizer, groups }, model: { n_layer: 2 } },
});

for (const use of ['adamw', 'lion', 'muon', 'sgd']) {
  const given = options({ use });
  test.serial(`${use} with groups resumes and rolls back bit for bit`, async (t) => {
    await assertResumes(given);
    await assertRollsBack(given);
    t.pass();
  });

  test.serial(`${use} with groups leaks no tensors, and gives the same result on two ranks`, async (t) => {
    await assertNoLeaks(given);
    await assertTwoRanks(given);
    t.pass();
  });

  test.serial(`${use} carries its state over when the model grows, and resumes after that`, async (t) => {
    const operations = [{ name: 'widen_mlp', value: 96, trigger_loss: 100, max_wait_iters: 1000, reevaluate: false }];
    await assertResumes({ ...given, plugins: [['scaling-schedule', { operations }]], iterations: 8 });
    t.pass();
  });
}

test.serial('frozen weights stay unchanged and have no optimizer state', async (t) => {
  await using made = await testRun(options({ use: 'adamw' }));
  const before = valuesOf(made, 'transformer.wpe.weight');
  const other = valuesOf(made, 'transformer.wte.weight');
  await made.train();
  t.deepEqual(valuesOf(made, 'transformer.wpe.weight'), before);
  t.notDeepEqual(valuesOf(made, 'transformer.wte.weight'), other);
  const { tensors } = made.run.container.resolve(Optimizer).exportState();
  t.deepEqual(
    [...tensors.keys()].filter((name) => name.includes('wpe')),
    [],
  );
  const embedding = made.run.model.parameterCounts().find(({ component }) => component === 'embedding');
  t.true(embedding === undefined || embedding.trainable < embedding.total);
});

test.serial('layer-wise rates decay towards the embeddings, and group rates follow the schedule', async (t) => {
  const optimizer = {
    use: 'sgd',
    learning_rate: 0.1,
    momentum: 0,
    groups: [{ layer_decay: 0.5 }, { name: '*.attn.c_proj.weight', lr: 0.3 }, { depth: 1, role: 'norm', lr: 0.2 }],
  };
  await using made = await testRun({ config: { optimizer, model: { n_layer: 2 } } });
  // At half of the base rate.
  const moved = movedBy(made, 0.05);
  const near = (name: string, rate: number): void => {
    t.true(Math.abs((moved.get(name) ?? NaN) - rate) < 1e-6, `${name} moved by ${String(moved.get(name))}`);
  };
  near('transformer.ln_f.weight', 0.05);
  near('transformer.h.1.mlp.c_fc.weight', 0.025);
  near('transformer.h.0.mlp.c_fc.weight', 0.0125);
  near('transformer.wte.weight', 0.00625);
  near('transformer.h.1.attn.c_proj.weight', 0.15 / 2);
  near('transformer.h.0.attn.c_proj.weight', 0.15 / 4);
  near('transformer.h.1.ln_1.weight', 0.1 / 2);
});

/** Returns how far each weight's first number moves in one step with all gradients 1. */
function movedBy({ run }: TestRun, learningRate: number): Map<string, number> {
  const parameters = run.container.resolve(Model).parameters();
  const first = (): number[] => [...parameters.values()].map((variable) => variable.dataSync()[0] ?? NaN);
  const before = first();
  tf.tidy(() => {
    const gradients = new Map([...parameters].map(([name, variable]) => [name, tf.onesLike<tf.Tensor>(variable)]));
    run.container.resolve(Optimizer).step({ parameters, gradients, learningRate, gradClip: 0 });
  });
  const after = first();
  return new Map([...parameters.keys()].map((name, i) => [name, (before[i] ?? NaN) - (after[i] ?? NaN)]));
}

for (const [what, group, message] of [
  [
    'a name that no weight has',
    '{ name: transformer.wqe.*, lr: 1e-3 }',
    /matches no weight: weights are named like transformer\.wte\.weight/,
  ],
  ['a block that the model lacks', '{ depth: [4, 7], frozen: true }', /matches no weight: the model has blocks 0 to 0/],
  ['a group that sets nothing', '{ role: norm }', /sets nothing: give one of lr, layer_decay, weight_decay, frozen/],
  ['a decay that is negative', '{ role: norm, weight_decay: -1 }', /weight_decay/],
  ['a role that there is not', '{ role: matrices, lr: 1e-3 }', /role/],
] as const) {
  test.serial(`${what} is refused before training, with its place`, async (t) => {
    const folder = emptyFolder(t);
    writeFileSync(path.join(folder, 'own.yaml'), `optimizer:\n  groups:\n    - ${group}\n`);
    const thrown = await t.throwsAsync(testRun({ cwd: folder, presets: ['./own.yaml'] }));
    t.regex(thrown.message, message);
    t.regex(thrown.message, /own\.yaml:2\b/);
  });
}

test.serial('muon and groups by role are refused for a model without weight roles', async (t) => {
  const folder = folderWith(t, 'plugins/model', 'bigram.ts');
  const run = (optimizer: string): Promise<TestRun> =>
    testRun({ cwd: folder, set: ['model={use: ./bigram.ts}', `optimizer=${optimizer}`] });
  await t.throwsAsync(run('{use: muon}'), { message: /this model does not say what its weights are/ });
  await t.throwsAsync(run('{groups: [{role: norm, lr: 1e-3}]}'), { message: /this model does not say the roles/ });
});

test.serial('the guide’s optimizer trains with groups, and resumes', async (t) => {
  const folder = folderWith(t, 'plugins/optimizer', 'rms-step.ts', 'rms.yaml');
  const small = ['model={n_layer: 2, n_head: 2, n_embd: 16, block_size: 16}', 'train.batch_size=4'];
  const given = { cwd: folder, presets: ['./rms.yaml'], set: small };
  await assertResumes(given);
  await using made = await testRun({ ...given, iterations: 30 });
  await made.train();
  const losses = [...made.events.losses.values()];
  t.true((losses.at(-1) ?? NaN) < (losses[0] ?? NaN));
});

/** Returns a folder with files copied from a guide. */
function folderWith(t: ExecutionContext, page: string, ...names: string[]): string {
  const folder = emptyFolder(t);
  const text = readFileSync(`docs/${page}.md`, 'utf8');
  for (const name of names) {
    const [, file] = new RegExp(`\`\`\`\\w+\\n((?://|#) ${name}\\n[^]*?)\`\`\``).exec(text) ?? [];
    if (file === undefined) throw new Error(`docs/${page}.md has no ${name}`);
    writeFileSync(path.join(folder, name), file);
  }
  return folder;
}

function valuesOf({ run }: TestRun, name: string): number[] {
  return [...(run.container.resolve(Model).parameters().get(name)?.dataSync() ?? [])];
}
