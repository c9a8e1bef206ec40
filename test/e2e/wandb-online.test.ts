import { cpSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { partlyNeeding, python } from '../needs.js';
import { StandIn } from '../plugins/logs/wandb/stand-in.js';
import { espalier } from './warm.js';
import { arrived, ITERATIONS, logged, sync, train, wandbFolder, wandbRuns } from './wandb-runs.js';

const steps = (rows: readonly Record<string, unknown>[]): unknown[] => rows.map((row) => row['_step']);
const client = python('wandb');
const withClient = partlyNeeding(client);
const all = Array.from({ length: ITERATIONS }, (_, i) => i + 1);
const quick = 'plugins.wandb={interval: 0.05, retry: {first: 0.05, most: 0.1, give_up_after: 60}}';

withClient(
  'with a key the run is uploaded while it trains, over a server that fails for a while; then it continues',
  async (t) => {
    const cwd = wandbFolder(t);
    const server = await StandIn.start(t);
    server.failing = { requests: 3, status: 503 };
    const parts = ['run.dir=parts', 'resume=auto', quick];
    const env = { ...server.environment, WAIT_FOR: server.url };
    t.is((await train(cwd, parts, { ...env, FAULT: 'SIGKILL,7' })).code, 137);
    const { run } = server;
    t.true(run.history.length > 0 && run.batches > 1);
    t.false(run.complete);

    const last = await train(cwd, parts, env);
    t.is(last.code, 0, last.err);
    t.regex(last.err, new RegExp(`wandb: ${server.url}/me/espalier/runs/[a-z0-9]{8}\n`));
    t.regex(last.err, /wandb: the whole run is uploaded/);
    t.deepEqual(steps(run.history), all);
    t.deepEqual(arrived(run), logged(cwd, 'parts'));
    t.true(run.complete);
    t.is(run.exitCode, 0);
    t.is(run.summary['_step'], ITERATIONS);
    t.deepEqual(JSON.parse(run.files.get('wandb-summary.json')!), run.summary);
    t.true(run.files.has('config.yaml'));
    const row = run.history[3] as Record<string, { path: string }>;
    t.regex(run.files.get(row['samples']!.path)!, /quick/);
    t.is((run.config['train'] as { value: { max_iters: number } }).value.max_iters, ITERATIONS);
    t.deepEqual([...server.authorizations], [`Basic ${btoa(`api:${'a'.repeat(40)}`)}`]);
    t.is(wandbRuns(cwd, 'parts').length, 1);
    if (client.missing === undefined)
      t.regex((await sync(cwd, server.environment, 'parts/wandb')).err, /No runs to sync/);
  },
);

test('a run resumed from a checkpoint alone continues on the server', async (t) => {
  const cwd = wandbFolder(t);
  const server = await StandIn.start(t);
  t.is((await train(cwd, ['run.dir=first', quick], { ...server.environment, FAULT: 'SIGTERM,5' })).code, 143);
  const { run } = server;
  const before = { events: run.events.length, output: run.output.length };
  t.is(run.exitCode, 143);
  cpSync(path.join(cwd, 'first/checkpoints'), path.join(cwd, 'alone/checkpoints'), { recursive: true });
  const { code, err } = await train(cwd, ['run.dir=second', 'resume=alone', quick], server.environment);
  t.is(code, 0, err);
  t.deepEqual(steps(run.history), all);
  t.deepEqual(arrived(run), [...logged(cwd, 'first'), ...logged(cwd, 'second')]);
  t.is(run.events.length, ITERATIONS);
  t.true(before.events === 5 && run.output.length > before.output);
  t.regex(run.output.slice(0, before.output).join('\n'), /SIGTERM: stopping/);
  t.is(run.exitCode, 0);
});

/** Asks for a stop at the first sample of iteration 8. */
const AT_SAMPLE = `import { On, Plugin, type Sample } from 'espalier';
@Plugin({ name: 'at-sample', summary: 'stops at a sample', before: ['wandb'] })
export default class AtSample {
  #sent = process.env['STOP'] === undefined;
  @On('sample') stop({ iteration }: Sample): void {
    if (this.#sent || iteration !== 8) return;
    this.#sent = true;
    process.kill(process.pid, 'SIGTERM');
  }
}
`;

test('a run stopped between two samples of an iteration has one row with both', async (t) => {
  const cwd = wandbFolder(t);
  writeFileSync(path.join(cwd, 'at-sample.ts'), AT_SAMPLE);
  const server = await StandIn.start(t);
  const samples = 'plugins={samples: {prompts: [a, b], tokens: 3}, "./at-sample.ts": {}}';
  const settings = ['run.dir=run', 'resume=auto', quick, samples];
  t.is((await train(cwd, settings, { ...server.environment, STOP: '1' })).code, 143);
  const { code, err } = await train(cwd, settings, server.environment);
  t.is(code, 0, err);
  t.deepEqual(steps(server.run.history), all);
  const row = server.run.history[7] as Record<string, { path: string; nrows: number }>;
  const { samples: shown } = row;
  t.is(shown?.nrows, 2);
  const [folder = ''] = wandbRuns(cwd, 'run');
  const tables = readdirSync(path.join(cwd, folder, 'files/media/table')).filter((name) => name.includes('_8_'));
  t.is(tables.length, 1, 'the table of the first sample alone is gone');
  const table = JSON.parse(server.run.files.get(shown?.path ?? '') ?? '') as { data: unknown[][] };
  t.deepEqual(
    table.data.map(([iteration, prompt]) => [iteration, prompt]),
    [
      [8, 'a'],
      [8, 'b'],
    ],
  );
});

withClient(
  'a server that goes away: the run ends as it would have, says so, and `wandb sync` brings the rest',
  async (t) => {
    const cwd = wandbFolder(t);
    const server = await StandIn.start(t);
    const away = setInterval(() => {
      server.away ||= server.runs.size > 0 && server.run.history.length > 0;
    }, 10);
    t.teardown(() => {
      clearInterval(away);
    });
    const brief = 'plugins.wandb={interval: 0.05, retry: {first: 0.05, most: 0.1, give_up_after: 0.3}}';
    const { code, err } = await train(cwd, ['run.dir=run', brief], { ...server.environment, WAIT_FOR: server.url });
    clearInterval(away);
    t.is(code, 0, err);
    t.regex(err, /wandb: the server does not answer \(.*\); trying again, the run continues\n/);
    t.regex(err, /wandb: giving up on the server: no answer for .*; the run continues offline, in run\/wandb/);
    t.regex(err, /to upload the run: wandb sync run\/wandb/);
    t.true(server.run.history.length < ITERATIONS);
    server.away = false;
    if (client.missing !== undefined) return;
    t.is((await sync(cwd, server.environment, 'run/wandb')).code, 0);
    t.deepEqual(steps(server.run.history), all);
    t.deepEqual(arrived(server.run), logged(cwd, 'run'));
    t.is(server.run.exitCode, 0);
  },
);

test('a server that never answers, or refuses the key, does not delay the run', async (t) => {
  const cwd = wandbFolder(t);
  const server = await StandIn.start(t);
  server.away = true;
  const patient = 'plugins.wandb={finish_timeout: 0.2}';
  const silent = await train(cwd, ['run.dir=silent', patient], server.environment);
  t.is(silent.code, 0);
  t.regex(silent.err, /to upload the run: wandb sync silent\/wandb/);
  server.away = false;
  server.failing = { requests: 1000, status: 401 };
  const refused = await train(cwd, ['run.dir=refused'], server.environment);
  t.is(refused.code, 0);
  t.regex(refused.err, /giving up on the server: the API key was rejected \(HTTP 401: told to fail\)/);
});

test('verify-resume succeeds with it, and sends nothing', async (t) => {
  const cwd = wandbFolder(t);
  const server = await StandIn.start(t);
  writeFileSync(path.join(cwd, '.netrc'), `machine 127.0.0.1:${new URL(server.url).port} password ${'a'.repeat(40)}\n`);
  const args = ['verify-resume', '-p', 'debug', '-n', '2', '--set', 'data.text=text.txt', '--set', 'engine=auto'];
  const { code, out, err } = await espalier(
    cwd,
    ...args,
    '--set',
    'plugins.wandb={base_url: URL}'.replace('URL', server.url),
  );
  t.is(code, 0, out + err);
  t.regex(out, /the same: state of plugin wandb/);
  t.is(server.requests, 0);
});

test('mistakes in the settings are reported before anything is created', async (t) => {
  const cwd = wandbFolder(t);
  const refused = async (setting: string, env: Record<string, string> = {}): Promise<string> => {
    const { code, err } = await train(cwd, ['run.dir=run', setting], env);
    t.is(code, 2);
    return err;
  };
  t.regex(await refused('plugins.wandb.mode=online'), /no API key for https:\/\/api.wandb.ai.*ESP_WANDB_KEY/s);
  t.regex(await refused('plugins.wandb.projekt=x'), /projekt.*project.*ESP_CONFIG_KEY/s);
  t.regex(await refused('plugins.wandb.project=me/x'), /plugins.wandb.project.*none of/s);
  t.regex(await refused('seed=2', { WANDB_API_KEY: 'my-key' }), /3 characters.*ESP_WANDB_KEY/s);
  t.false(existsSync(path.join(cwd, 'run')));
});
