import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { emptyFolder } from './command.js';
import { espalier } from './warm.js';

const schedule = `# mine
- name: set_lr # lower
  value: 0.0005
  trigger_loss: 100
  max_wait_iters: 1000
  reevaluate: false
- { name: change_batch_size, value: 2, trigger_loss: 100, max_wait_iters: 1000,   reevaluate: true }

- name: reset_lr_schedule
  value: null
  trigger_loss: 0
  max_wait_iters: 10
  reevaluate: false
`;
const debug = ['--preset', 'debug', '--set', 'engine=auto', '--set', 'plugins.scaling-schedule.file=grow.yaml'];

/** What `metrics.jsonl` holds of an iteration's training loss and learning rate. */
function lines(folder: string, run: string): string[] {
  const all = readFileSync(path.join(folder, run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n');
  return all.filter((line) => line.includes('"iter":30'));
}

test('operations are triggered by loss and by waiting and written back, and a resumed run gives the same bits', async (t) => {
  const folder = emptyFolder(t);
  const file = path.join(folder, 'grow.yaml');
  writeFileSync(file, schedule);
  const checked = await espalier(folder, 'schedule', 'check', 'grow.yaml', '--preset', 'debug', '-s', 'engine=auto');
  t.is(checked.code, 0, checked.err);
  t.regex(checked.out, /batch_size: 4 -> 8/);

  // The end of the decay is written down: with null it would follow max_iters, which the first part has lower.
  const decay = ['-s', 'lr.decay_iters=20'];
  const longer = ['-s', 'train.max_iters=30'];
  const whole = await espalier(folder, 'train', ...debug, '-s', 'run.dir=whole', ...longer, ...decay);
  t.is(whole.code, 0, whole.err);
  const log = readFileSync(path.join(folder, 'whole/run.log'), 'utf8');
  t.is(log.match(/OPERATION_SUCCESS/g)?.length, 3);
  t.is(log.match(/OPERATION_REEVALUATION/g)?.length, 1);
  const done = readFileSync(file, 'utf8');
  t.is(done.match(/completed: true/g)?.length, 3);
  t.is(done.replaceAll(/, completed: true|\n *completed: true/g, ''), schedule);

  const limits = ['-s', 'train.max_iters=10', ...decay];
  const first = await espalier(folder, 'train', ...debug, '-s', 'run.dir=cut', ...limits);
  t.is(first.code, 0, first.err);
  t.is(readFileSync(file, 'utf8').match(/completed: true/g)?.length, 2);
  writeFileSync(file, schedule);
  const second = await espalier(folder, 'train', ...debug, '-s', 'run.dir=cut', ...longer, '--resume');
  t.is(second.code, 0, second.err);
  t.is(readFileSync(file, 'utf8').match(/completed: true/g)?.length, 3);
  t.true(lines(folder, 'whole').length > 0);
  t.deepEqual(lines(folder, 'cut'), lines(folder, 'whole'));
});

test('an impossible schedule is refused with its position before anything is created', async (t) => {
  const folder = emptyFolder(t);
  const wrong = async (from: string, to: string): Promise<string> => {
    writeFileSync(path.join(folder, 'grow.yaml'), schedule.replace(from, to));
    const { code, err } = await espalier(folder, 'train', ...debug);
    t.is(code, 2, err);
    return err;
  };
  t.regex(await wrong('set_lr', 'set_lrr'), /grow\.yaml:2: operation 1 .*did you mean "set_lr"/);
  t.regex(await wrong('0.0005', 'fast'), /operation 1 \(set_lr\): value/);
  t.regex(await wrong('value: 2', 'value: 0.01'), /grow\.yaml:7: operation 2 .*batch_size cannot be 0/);
  t.regex(await wrong('  trigger_loss: 0\n', ''), /operation 3 lacks trigger_loss/);
});

test('schedules follow the rules of configs: merge keys work, unknown tags and second documents are refused', async (t) => {
  const folder = emptyFolder(t);
  const check = (text: string): ReturnType<typeof espalier> => {
    writeFileSync(path.join(folder, 'grow.yaml'), text);
    return espalier(folder, 'schedule', 'check', 'grow.yaml', '--preset', 'debug', '-s', 'engine=auto');
  };
  const merged = await check(
    'defaults: &d { trigger_loss: 2, max_wait_iters: 3, reevaluate: false }\noperations:\n  - { name: change_batch_size, value: 2, <<: *d }\n',
  );
  t.is(merged.code, 0, merged.err);
  t.regex(merged.out, /batch_size: 4 -> 8/);
  for (const [text, message] of [
    ['- { name: !env NAME, value: 2 }\n', /grow\.yaml:1: .*the tag !env.*ESP_SCHEDULE_FILE/],
    ['- { name: set_lr }\n---\n- { name: set_lr }\n', /grow\.yaml:2: .*several documents.*ESP_SCHEDULE_FILE/],
    ['- 3\n', /operation 1 must be a map.*ESP_SCHEDULE_FILE/],
  ] as const) {
    const refused = await check(text);
    t.is(refused.code, 2, refused.err);
    t.regex(refused.err, message);
  }
});

test('an outside plugin adds an operation; one that fails is logged, rolled back and not marked', async (t) => {
  const folder = emptyFolder(t);
  writeFileSync(
    path.join(folder, 'half.ts'),
    `import { inject, Operations, Plugin, Tunables, type Operation } from 'espalier';
import { z } from 'zod';
@Plugin({ name: 'half', summary: 'changes a number, then fails' })
export default class Half implements Operation {
  readonly name = 'half';
  readonly value = z.number();
  constructor(@inject(Operations) operations: Operations, @inject(Tunables) private readonly tunables: Tunables) {
    operations.add(this);
  }
  plan(): void {}
  apply(): void {
    this.tunables.set('batch_size', 3);
    throw new Error('half-way');
  }
}
`,
  );
  const file = path.join(folder, 'grow.json');
  const entry = { name: 'half', value: 1, trigger_loss: 100, max_wait_iters: 5, reevaluate: false };
  writeFileSync(file, JSON.stringify({ operations: [entry] }));
  const set = ['-s', 'plugins.scaling-schedule.file=grow.json', '-s', 'plugins={"./half.ts": {}}', '-s', 'run.dir=out'];
  const { code, err } = await espalier(folder, 'train', '-p', 'debug', '-s', 'engine=auto', ...set);
  t.is(code, 0, err);
  t.regex(readFileSync(path.join(folder, 'out/run.log'), 'utf8'), /OPERATION_ERROR half 1: half-way/);
  t.false(readFileSync(file, 'utf8').includes('completed'));
  const last = readFileSync(path.join(folder, 'out/metrics.jsonl'), 'utf8');
  t.regex(last, new RegExp(`"iter":20,"tokens":${String(20 * 4 * 32)},`));
});

test('the guide’s custom operation works', async (t) => {
  const folder = emptyFolder(t);
  const guide = readFileSync('docs/plugins/schedule-operation.md', 'utf8');
  const code = (language: string): string => new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 's').exec(guide)?.[1] ?? '';
  writeFileSync(path.join(folder, 'loss-limit.ts'), code('ts'));
  const soon = code('yaml').replace('char-small', 'debug').replace('trigger_loss: 2.5', 'trigger_loss: 100');
  writeFileSync(path.join(folder, 'espalier.config.yaml'), soon);
  const run = await espalier(folder, 'train', '-s', 'engine=auto', '-s', 'plugins.evaluation.interval=2');
  t.is(run.code, 0, run.err);
  t.regex(run.err, /schedule 1: set_loss_limit 3 {2}loss_limit: 5 -> 3/);
  t.regex(run.err, /stopped: validation loss over 3 after 2 iterations/);
});
