import { cpSync, existsSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { needing, python } from '../needs.js';
import { StandIn } from '../plugins/logs/wandb/stand-in.js';
import { arrived, ITERATIONS, logged, sync, systemLogged, train, wandbFolder, wandbRuns } from './wandb-runs.js';

const withClient = needing(python('wandb'));
const steps = (rows: readonly Record<string, unknown>[]): unknown[] => rows.map((row) => row['_step']);
const all = Array.from({ length: ITERATIONS }, (_, i) => i + 1);

withClient(
  '`wandb sync` of a finished run: every value, the config, samples, histograms, what was printed',
  async (t) => {
    const cwd = wandbFolder(t);
    const server = await StandIn.start(t);
    const given = 'plugins.wandb={project: P, name: N, group: G, job_type: J, tags: [a, b], notes: some notes}';
    const { code, err } = await train(cwd, ['run.dir=whole', given]);
    t.is(code, 0, err);
    const [folder = ''] = wandbRuns(cwd, 'whole');
    t.regex(err, /wandb: offline, in whole\/wandb\/offline-run-\d{8}_\d{6}-[a-z0-9]{8}\n/);
    t.regex(err, new RegExp(`to upload the run: wandb sync ${folder}\n`));
    const synced = await sync(cwd, server.environment, folder);
    t.is(synced.code, 0, synced.err);

    const { run } = server;
    t.deepEqual(arrived(run), logged(cwd, 'whole'));
    t.deepEqual(steps(run.history), all);
    t.deepEqual(run.config['train']?.value, {
      max_iters: 10,
      batch_size: 2,
      gradient_accumulation_steps: 1,
      grad_clip: 1,
    });
    t.like(run.facts, { project: 'P', displayName: 'N', groupName: 'G', jobType: 'J', notes: 'some notes' });
    t.deepEqual(run.facts['tags'], ['a', 'b']);
    t.is(run.exitCode, 0);
    const { _step, ...summary } = run.summary;
    t.is(_step, ITERATIONS);
    t.like(summary, logged(cwd, 'whole').at(-1)!);
    t.deepEqual(
      run.events.map((row) => [row['system.memory_percent'], row['system.cpu'], row['system.proc.memory.rssMB']]),
      systemLogged(cwd, 'whole').map((row) => [
        row['system/memory_percent'],
        row['system/process_cpu_percent'],
        row['system/process_rss_mb'],
      ]),
    );
    const row = run.history[3] as Record<string, { path: string; bins: number[]; values: number[] }>;
    t.like(row['weights/x'], { _type: 'histogram', bins: [0, 1, 2], values: [3, 4] });
    t.deepEqual(JSON.parse(run.files.get(row['samples']!.path)!), {
      columns: ['iter', 'prompt', 'text'],
      data: [[4, 'the', ' quick "brown" fox\n']],
    });
    const printed = readFileSync(path.join(cwd, 'whole/run.log'), 'utf8').trimEnd().split('\n');
    // The log for people holds more than what was printed.
    const texts = printed
      .map((line) => line.slice(line.indexOf(' ', 26)).trim())
      .filter((line) => !/^(HEADER|CONFIG|STEP|METRICS|ANALYSIS) /.test(line));
    t.true(texts.length > 3);
    t.deepEqual(
      run.output.map((line) => line.replace(/^(ERROR )?\S+ /, '').trim()).filter((line) => texts.includes(line)),
      texts.filter((line) => !line.startsWith('wandb:')),
    );
  },
);

withClient(
  'a run that was killed, stopped by a signal, and went on: synced each time, it is the uninterrupted one',
  async (t) => {
    const cwd = wandbFolder(t);
    const server = await StandIn.start(t);
    const whole = await train(cwd, ['run.dir=whole', 'plugins.wandb=false']);
    t.is(whole.code, 0, whole.err);
    const expected = logged(cwd, 'whole', ['metrics.jsonl']);

    const parts = ['run.dir=parts', 'resume=auto'];
    t.is((await train(cwd, parts, { FAULT: 'SIGKILL,3' })).code, 137);
    t.is((await train(cwd, parts, { FAULT: 'SIGKILL,6' })).code, 137);
    t.is(wandbRuns(cwd, 'parts').length, 1);
    t.is((await sync(cwd, server.environment, 'parts/wandb')).code, 0);
    const { run } = server;
    t.is(run.exitCode, 1);
    t.deepEqual(arrived(run, expected).slice(0, 4), expected.slice(0, 4));
    const name = run.facts['displayName'];

    t.is((await train(cwd, parts, { FAULT: 'SIGTERM,7' })).code, 143);
    t.regex((await sync(cwd, server.environment, 'parts/wandb')).err, /Syncing 1 run.*Finished syncing/s);
    t.is(run.exitCode, 143);
    t.deepEqual(arrived(run, expected), expected.slice(0, 7));
    t.regex(run.output.join('\n'), /ERROR \S+ SIGTERM: stopping/);

    const last = await train(cwd, [...parts, 'plugins.wandb.tags=[later]']);
    t.is(last.code, 0, last.err);
    t.is((await sync(cwd, server.environment, 'parts/wandb')).code, 0);
    t.deepEqual(steps(run.history), all);
    t.deepEqual(arrived(run, expected), expected);
    t.deepEqual(arrived(run), logged(cwd, 'parts'));
    t.is(run.exitCode, 0);
    t.is(server.runs.size, 1);
    t.is(run.facts['displayName'], name);
    t.deepEqual(run.facts['tags'], ['later']);
  },
);

withClient('a run resumes in another folder, with its run file or only with the checkpoint', async (t) => {
  const cwd = wandbFolder(t);
  const server = await StandIn.start(t);
  t.is((await train(cwd, ['run.dir=first'], { FAULT: 'SIGTERM,5' })).code, 143);
  cpSync(path.join(cwd, 'first/checkpoints'), path.join(cwd, 'alone/checkpoints'), { recursive: true });

  t.is((await train(cwd, ['run.dir=second', 'resume=first'])).code, 0);
  const [copied = ''] = wandbRuns(cwd, 'second');
  t.is((await sync(cwd, server.environment, copied)).code, 0);
  t.deepEqual(steps(server.run.history), all);
  t.deepEqual(arrived(server.run).slice(5), logged(cwd, 'second'));
  const whole = arrived(server.run, logged(cwd, 'second', ['metrics.jsonl']));

  server.runs.clear();
  t.is((await sync(cwd, server.environment, ...wandbRuns(cwd, 'first'))).code, 0);
  const alone = await train(cwd, ['run.dir=third', 'resume=alone']);
  t.is(alone.code, 0, alone.err);
  const synced = await sync(cwd, server.environment, ...wandbRuns(cwd, 'third'));
  t.regex(synced.err, /Finished syncing/);
  t.true(server.queries.includes('RewindRun'));
  t.deepEqual(steps(server.run.history), all);
  t.deepEqual(arrived(server.run, logged(cwd, 'third', ['metrics.jsonl'])), whole);
});

withClient('a failed run is a failed run on the server', async (t) => {
  const cwd = wandbFolder(t);
  const server = await StandIn.start(t);
  const { code } = await train(cwd, ['run.dir=run', 'plugins.checkpoint.on_error=stop', 'run.name=x'], {
    WANDB_DIR: 'elsewhere',
    FAULT: 'SIGUNKNOWN,3',
  });
  t.is(code, 1);
  t.false(existsSync(path.join(cwd, 'run/wandb')));
  renameSync(path.join(cwd, 'elsewhere'), path.join(cwd, 'moved'));
  t.is((await sync(cwd, server.environment, ...wandbRuns(cwd, 'moved'))).code, 0);
  t.is(server.run.exitCode, 1);
  t.regex(server.run.output.join('\n'), /failed: .*SIGUNKNOWN/);
  t.regex(String(server.run.facts['displayName']), /^x-\d{8}-\d{6}$/);
});
