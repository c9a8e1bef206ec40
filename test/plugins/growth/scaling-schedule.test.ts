import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Run } from '../../../core/run/run.js';
import { assertResumes, MemoryCheckpoints, testRun } from '../../../plugins/testing/contract.js';
import { emptyFolder } from '../../e2e/command.js';
import { scorePlugin } from '../batches/score-plugin.js';

const fires = 'trigger_loss: 100, max_wait_iters: 1000';
const settings = [
  'model={n_layer: 1, n_embd: 8, n_head: 2, block_size: 16, dropout: 0.1}',
  'train.batch_size=4',
  'lr.decay_iters=9',
  'plugins.evaluation={interval: 3, iters: 2}',
  `plugins.scaling-schedule.operations=[
    {name: set_lr, value: 0.002, ${fires}, reevaluate: true},
    {name: change_batch_size, value: 2, ${fires}, reevaluate: false}]`,
  'plugins.early-stopping={patience: 3}',
];

/** What a run tells of its evaluations and of its schedule, in order. */
async function told(t: ExecutionContext, checkpoints = new MemoryCheckpoints()): Promise<{ run: Run; seen: string[] }> {
  const made = await testRun({ iterations: 9, checkpoints, set: settings });
  t.teardown(() => made.dispose());
  const { run } = made;
  const seen: string[] = [];
  run.bus.on('evaluation:end', ({ iteration, losses }) => seen.push(`${iteration} ${losses.train} ${losses.val}`));
  run.bus.on('operation', ({ iteration, name, outcome, message = '' }) =>
    seen.push(`${iteration} ${name} ${outcome} ${message}`),
  );
  return { run, seen };
}

for (const when of ['before', 'within'] as const) {
  test(`a run that is stopped ${when} the evaluation which an operation asked for repeats it when it resumes`, async (t) => {
    const whole = await told(t);
    await whole.run.train();
    const outcomes = whole.seen.map((line) => line.split(' ', 3).slice(0, 3).join(' '));
    t.is(outcomes.filter((line) => line.endsWith('reevaluation')).length, 1, outcomes.join('\n'));
    t.true(outcomes.includes('6 change_batch_size success'), 'not at once after the evaluation that was asked for');

    const checkpoints = new MemoryCheckpoints();
    const first = await told(t, checkpoints);
    let evaluations = 0;
    first.run.bus.on(when === 'before' ? 'evaluation:end' : 'evaluation:start', () => {
      if (++evaluations === (when === 'before' ? 1 : 2)) first.run.control.requestStop('a test');
    });
    t.is((await first.run.train()).status, 'stopped');
    const second = await told(t, checkpoints);
    t.is(second.run.state.iteration, 3);
    await second.run.train();

    t.deepEqual([...first.seen, ...second.seen], whole.seen);
    for (const [name, variable] of whole.run.model.parameters())
      t.deepEqual(second.run.model.parameters().get(name)?.dataSync(), variable.dataSync(), name);
    // Each run has a folder of its own, which its config names.
    const state = ({ run }: { run: Run }): unknown => ({ ...run.snapshot().state, config: {}, given: {} });
    t.deepEqual(state(second), state(whole));
  });
}

/** At evaluations 2, 4, …; the score is published after the schedule has looked. */
const scores = [1, 5, 2, 2, 9];
const byScore = (trigger: string, rate: number): string =>
  `{name: set_lr, value: ${rate}, trigger: ${trigger}, max_wait_iters: 1000, reevaluate: false}`;

test('an operation is triggered by the newest value of any metric, below or above, also after a resume', async (t) => {
  const cwd = emptyFolder(t);
  const operations = [byScore('{metric: score, above: 4}', 0.002), byScore('{metric: score, below: 3}', 0.001)];
  const options = {
    cwd,
    iterations: 12,
    set: [
      scorePlugin(cwd, scores),
      'plugins.evaluation={interval: 2, iters: 1}',
      `plugins.scaling-schedule.operations=[${operations.join(', ')}]`,
    ],
  };
  await using made = await testRun(options);
  await made.train();
  const fired = made.events.of('operation').filter(({ outcome }) => outcome === 'success');
  t.deepEqual(
    fired.map(({ iteration, value }) => [iteration, value]),
    [
      [6, 0.002],
      [8, 0.001],
    ],
  );
  await assertResumes(options, [{ event: 'iteration:end', at: 5 }]);
});

for (const [what, trigger, message] of [
  ['neither of both', '{metric: score}', /give one of below and above/],
  ['both', '{metric: score, below: 1, above: 2}', /give one of below and above/],
] as const) {
  test(`a trigger with ${what} is refused`, async (t) => {
    const cwd = emptyFolder(t);
    const set = [scorePlugin(cwd, scores), `plugins.scaling-schedule.operations=[${byScore(trigger, 1)}]`];
    await t.throwsAsync(testRun({ cwd, set }), { message });
  });
}

test('a file with an operation that lacks a trigger, or has two, is refused with its line', async (t) => {
  const cwd = emptyFolder(t);
  const refused = async (trigger: string): Promise<string> => {
    const entry = `- { name: set_lr, value: 1, ${trigger} max_wait_iters: 1, reevaluate: false }`;
    writeFileSync(path.join(cwd, 'schedule.yaml'), `# mine\n${entry}\n`);
    const set = [scorePlugin(cwd, scores), 'plugins.scaling-schedule.file=schedule.yaml'];
    return (await t.throwsAsync(testRun({ cwd, set }))).message;
  };
  t.regex(await refused(''), /schedule\.yaml:2: operation 1 lacks trigger_loss \(or trigger\)/);
  t.regex(
    await refused('trigger_loss: 1, trigger: { metric: score, below: 1 },'),
    /schedule\.yaml:2: .*one of trigger_loss and trigger/s,
  );
  t.regex(
    await refused('trigger: { metric: scor, below: 1 },'),
    /schedule\.yaml:2: operation 1 \(set_lr\): trigger: .*"score"\?/,
  );
});
