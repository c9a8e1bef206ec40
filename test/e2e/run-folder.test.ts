import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { coreSchema } from '../../core/config/schema.js';
import { textFolder } from '../text.js';
import { commandFile, type Outcome } from './command.js';
import { espalier } from './warm.js';

const tiny = ['engine=cpu', 'data.text=text.txt', 'train.max_iters=4', 'plugins={report: false, profiler: false}'];
const train = (cwd: string, ...more: string[]): Promise<Outcome> =>
  espalier(cwd, 'train', '--preset', 'debug', ...tiny.flatMap((setting) => ['--set', setting]), ...more);
const set = (...settings: string[]): string[] => settings.flatMap((setting) => ['--set', setting]);

/** Files that a user made, which nothing may change. */
function theirs(t: ExecutionContext, folder: string, files: Readonly<Record<string, string>>): () => void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  return () => {
    for (const [name, text] of Object.entries(files)) t.is(readFileSync(path.join(folder, name), 'utf8'), text, name);
  };
}

test('a checkpoint that was copied out of its run has a run folder of its own, never the folder above it', async (t) => {
  const folder = textFolder(t);
  const inner = path.join(folder, 'inner');
  mkdirSync(inner);
  cpSync(path.join(folder, 'text.txt'), path.join(inner, 'text.txt'));
  t.is((await train(inner, '--stop-after', '2')).code, 0);
  cpSync(path.join(inner, 'runs/debug/checkpoints/000002'), path.join(inner, 'best-model'), { recursive: true });
  cpSync(path.join(inner, 'best-model'), path.join(inner, 'models/checkpoints/000002'), { recursive: true });
  const mine = { 'config.yaml': 'my: own\n', 'metrics.jsonl': '{"iter":1}\nmine\n', 'run.log': 'mine\n' };
  const unchanged = [theirs(t, folder, mine), theirs(t, path.join(inner, 'models'), mine)];

  const used = await espalier(inner, 'train', '--resume', 'best-model');
  t.is(used.code, 2, used.err);
  t.regex(used.err, /runs\/debug already has checkpoints: .*ESP_RUN_FOLDER_USED/);
  rmSync(path.join(inner, 'runs'), { recursive: true });
  const first = await espalier(inner, 'train', '--resume', 'best-model');
  t.is(first.code, 0, first.err);
  t.regex(first.err, /not in a run folder: the run continues in runs\/debug/);
  const second = await espalier(inner, 'train', '--resume', 'models/checkpoints/000002', ...set('run.name=other'));
  t.is(second.code, 0, second.err);
  t.deepEqual(readdirSync(path.join(inner, 'runs')).sort(), ['debug', 'other']);
  t.true(existsSync(path.join(inner, 'runs/other/checkpoints/000004')));
  for (const check of unchanged) check();
  t.deepEqual(readdirSync(folder).sort(), ['config.yaml', 'inner', 'metrics.jsonl', 'run.log', 'text.txt']);
});

test('a folder that is not a run’s and not empty is refused before anything in it is written', async (t) => {
  const folder = textFolder(t);
  const unchanged = theirs(t, folder, {
    'project/config.yaml': 'extends: [debug]\n',
    'logs/run.log': 'mine\n',
    'weights/checkpoints/resnet.pt': 'mine\n',
  });
  const commands: [dir: string, more: string[]][] = [
    ['project', []],
    ['project', ['--force']],
    ['logs', ['--dry-run']],
    ['weights', set('resume=auto')],
  ];
  for (const [dir, more] of commands) {
    const before = readdirSync(path.join(folder, dir), { recursive: true });
    const { code, err } = await train(folder, ...set(`run.dir=${dir}`), ...more);
    t.is(code, 2, err);
    t.regex(err, new RegExp(`${dir} is not a run folder, but contains .*run\\.dir=PATH.*ESP_RUN_FOLDER_FOREIGN`));
    t.deepEqual(readdirSync(path.join(folder, dir), { recursive: true }), before);
  }
  unchanged();
});

test('a new folder with nothing to lose is a run’s: with the output of this command, or empty ones', async (t) => {
  const folder = textFolder(t);
  mkdirSync(path.join(folder, 'out/checkpoints'), { recursive: true });
  writeFileSync(path.join(folder, 'out/.gitignore'), '*\n');
  const args = ['train', '--preset', 'debug', ...set(...tiny, 'run.dir=out')];
  const shell = 'echo begun > out/log.txt; exec "$0" "$@" >> out/log.txt 2>&1';
  const child = spawn('bash', ['-c', shell, process.execPath, commandFile, ...args], { cwd: folder, stdio: 'ignore' });
  t.is(await new Promise((resolve) => child.on('close', resolve)), 0);
  t.regex(readFileSync(path.join(folder, 'out/log.txt'), 'utf8'), /^begun\n.*done after 4 iterations/s);
});

test('--force deletes what runs wrote, and keeps the rest; a config that was changed by hand is kept', async (t) => {
  const folder = textFolder(t);
  t.is((await train(folder)).code, 0);
  const unchanged = theirs(t, path.join(folder, 'runs/debug'), {
    'notes.md': 'mine\n',
    'checkpoints/resnet.pt': 'mine\n',
    'checkpoints/000001/pytorch_model.bin': 'mine\n',
  });
  const config = path.join(folder, 'runs/debug/config.yaml');
  const edited = `${readFileSync(config, 'utf8')}# changed\n`;
  writeFileSync(config, edited);
  const { code, err } = await train(folder, '--force', ...set('train.max_iters=3'));
  t.is(code, 0, err);
  unchanged();
  const kept = readdirSync(path.join(folder, 'runs/debug/checkpoints')).sort();
  t.deepEqual(kept, ['000001', '000003', 'best', 'latest', 'resnet.pt']);
  t.regex(err, /config\.yaml was edited by hand: the edited file is kept as config\.kept-1\.yaml/);
  t.is(readFileSync(path.join(folder, 'runs/debug/config.kept-1.yaml'), 'utf8'), edited);
});

test('a run’s name is that of a folder in runs/', async (t) => {
  for (const name of ['..', '.', '...', 'a/b', '../x', 'a\\b', '', 'con', 'NUL.txt', 'a.', '-x', 'x'.repeat(201)])
    t.false(coreSchema.safeParse({ run: { name } }).success, name);
  for (const name of ['a', 'a.b', '.hidden', 'console', '2024-01-01', 'x'.repeat(200)])
    t.true(coreSchema.safeParse({ run: { name } }).success, name);
  const folder = textFolder(t);
  const { code, err } = await train(folder, '--force', ...set('run.name=..'));
  t.is(code, 2, err);
  t.regex(err, /run\.name.*\[ESP_CONFIG_VALUE\]/s);
  t.deepEqual(readdirSync(folder), ['text.txt']);
});

test('export --force replaces an exported model, and nothing else', async (t) => {
  const folder = textFolder(t);
  const fixture = fileURLToPath(new URL('../../../test/fixtures/checkpoint-2', import.meta.url));
  const to = (out: string): Promise<Outcome> =>
    espalier(folder, 'checkpoint', 'export', fixture, '--out', out, '--force');
  const unchanged = theirs(t, folder, { 'mine/config.json': '{}\n', 'mine/notes.md': 'mine\n' });
  const refused = await to('mine');
  t.is(refused.code, 2, refused.err);
  t.regex(refused.err, /mine contains notes\.md, which no export wrote.*ESP_CHECKPOINT_EXPORT/);
  unchanged();
  t.is((await to('model')).code, 0);
  t.is((await to('model')).code, 0);
  t.deepEqual(readdirSync(folder).sort(), ['mine', 'model', 'text.txt']);
});

const WAITING = `import { existsSync } from 'node:fs';
import { On, Plugin } from 'espalier';
@Plugin({ name: 'waiting', summary: 'sets up when a file is there' })
export default class Waiting {
  @On('run:setup') async wait(): Promise<void> {
    console.error('setting up');
    while (!existsSync('go')) await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
`;

test('what another process leaves in the folder while a run sets up is what it resumes from', async (t) => {
  const folder = textFolder(t);
  writeFileSync(path.join(folder, 'waiting.ts'), WAITING);
  const auto = set('resume=auto', 'run.name=x');
  const args = ['train', '--preset', 'debug', ...set(...tiny, 'plugins={"./waiting.ts": {}}', 'train.max_iters=6')];
  const child = spawn(process.execPath, [commandFile, ...args, ...auto], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let err = '';
  const ended = new Promise((resolve) => child.on('close', resolve));
  await new Promise<void>((resolve) => {
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      err += piece;
      if (err.includes('setting up')) resolve();
    });
    void ended.then(() => {
      resolve();
    });
  });
  t.is((await train(folder, ...auto)).code, 0);
  writeFileSync(path.join(folder, 'go'), '');
  t.is(await ended, 0, err);
  t.regex(err, /resuming from .*checkpoints\/000004 at iteration 4/);
  t.regex(err, /done after 6 iterations/);
});
