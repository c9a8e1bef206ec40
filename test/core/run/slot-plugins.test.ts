import test, { type ExecutionContext } from 'ava';
import { UsageError } from '../../../core/index.js';
import { testRun } from '../../../plugins/testing/contract.js';
import { ownPlugin, type OwnPlugin } from '../../own-plugin.js';

const bind = 'static register(bindings) { bindings.bind(espalier.LearningRate, Mine); }';
const schedule = { options: "slot: 'lr'", at: 'lr=./mine.ts' };

async function made(t: ExecutionContext, { at, ...plugin }: OwnPlugin & { readonly at: string }): Promise<void> {
  await using run = await testRun({ cwd: ownPlugin(t, plugin), set: [at] });
  t.fail(`it is taken: ${String(run.run.state.iteration)}`);
}

test('a plugin in a slot that binds nothing is refused before a run, with what to write', async (t) => {
  const error = await t.throwsAsync(made(t, { ...schedule, body: 'at(iteration, base) { return base; }' }), {
    instanceOf: UsageError,
    code: 'ESP_CONTRACT_UNBOUND',
  });
  t.regex(error.message, /^plugin mine \(\/.*mine\.ts\) stands in the slot lr and binds no LearningRate: /);
  t.regex(error.message, /static register\(bindings\) \{ bindings\.bind\(LearningRate, Mine\); \}/);
});

test('one that binds another contract than the slot’s is refused, too', async (t) => {
  const body = 'static register(bindings) { bindings.bind(espalier.ServedTokens, Mine); } at(_, base) { return base; }';
  await t.throwsAsync(made(t, { ...schedule, body }), { code: 'ESP_CONTRACT_UNBOUND' });
});

test('what is bound has the methods that the run calls; those that it lacks are named', async (t) => {
  const error = await t.throwsAsync(made(t, { ...schedule, body: `${bind} rate(_, base) { return base; }` }), {
    instanceOf: UsageError,
    code: 'ESP_CONTRACT_METHOD',
  });
  t.regex(error.message, /^plugin mine \(\/.*mine\.ts\) binds LearningRate without at\(\): /);
  const optimizer = 'static register(bindings) { bindings.bind(espalier.Optimizer, Mine); } step() {} exportState() {}';
  await t.throwsAsync(made(t, { options: "slot: 'optimizer'", at: 'optimizer=./mine.ts', body: optimizer }), {
    message: /binds Optimizer without importState\(\), carry\(\): /,
  });
});

test('a class in front of a slot has them, too', async (t) => {
  const body = 'static register(bindings) { bindings.wrap(espalier.LearningRate, Mine); }';
  await t.throwsAsync(made(t, { options: "wraps: 'lr'", at: 'plugins={"./mine.ts": {}}', body }), {
    message: /^plugin mine .* binds LearningRate without at\(\)/,
  });
});
