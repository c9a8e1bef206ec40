import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { emptyFolder, espalier, type Outcome } from './command.js';

/** Trains with a plugin of one's own whose listener is written so. */
async function train(t: ExecutionContext, listener: string): Promise<Outcome & { folder: string }> {
  const folder = emptyFolder(t);
  const file = `import { On, Plugin } from 'espalier';

@Plugin({ name: 'mine', summary: 'one of my own' })
export default class Mine {
  ${listener}
}
`;
  writeFileSync(path.join(folder, 'mine.ts'), file);
  const set = ['-s', 'plugins."./mine.ts"=true', '-s', 'train.max_iters=2', '-s', 'plugins.profiler=false'];
  return { folder, ...(await espalier(folder, 'train', '-p', 'debug', ...set)) };
}

test('an event that there is not is refused with the nearest, before anything is made', async (t) => {
  const { code, err, folder } = await train(t, "@On('iteration:ends')\n  look(): void {}");
  t.is(code, 2, err);
  t.regex(err, /mine\.ts.*: look listens to "iteration:ends", which is no event: did you mean "iteration:end"\?/);
  t.regex(err, /\[ESP_PLUGIN_EVENT\]/);
  t.false(existsSync(path.join(folder, 'runs')));
});

test('a fault in a plugin is shown with the line of its file, and stands in run.log', async (t) => {
  const { code, err, folder } = await train(t, "@On('iteration:end')\n  look(event: any): void { event.no.such; }");
  t.is(code, 1, err);
  t.regex(err, /plugin mine failed at iteration:end: Cannot read properties of undefined/);
  t.regex(err, /at Mine\.look \(.*mine\.ts:6:/);
  const log = readFileSync(path.join(folder, 'runs/debug/run.log'), 'utf8');
  t.regex(log, / error plugin mine failed at iteration:end: Cannot read/);
});

test('a listener that never ends is named, where Node would exit without a word', async (t) => {
  for (const event of ['run:setup', 'iteration:end']) {
    const { code, err, folder } = await train(t, `@On('${event}')\n  wait() { return new Promise(() => {}); }`);
    t.is(code, 1, err);
    t.regex(err, new RegExp(`plugin mine returned a promise from its listener of ${event} that nothing will settle`));
    t.false(existsSync(path.join(folder, 'runs/debug/lock')));
  }
});

test('a plugin that is turned off by a misspelled name is not silently left on, nor one by mistake off', async (t) => {
  const folder = emptyFolder(t);
  writeFileSync(path.join(folder, 'espalier.config.yaml'), 'extends: [debug]\nplugins:\n  progres: false\n');
  const { code, err } = await espalier(folder, 'train');
  t.is(code, 2, err);
  t.regex(err, /espalier\.config\.yaml:3: key plugins\.progres: there is no plugin "progres".*"progress"/);
  writeFileSync(
    path.join(folder, 'espalier.config.yaml'),
    'extends: [debug]\nplugins:\n  not-installed: false\n  csv:\n  report:\n',
  );
  const { err: said, ...dry } = await espalier(folder, 'train', '--dry-run', '--quiet');
  t.is(dry.code, 0, said);
  const wanted = 'nothing had turned it on; write csv: {} to turn it on';
  t.is(said, `espalier.config.yaml:4: key plugins.csv: it is empty, which turns a plugin off, and ${wanted}\n`);
});

test('a run that has nothing left to train says so, and how to go on', async (t) => {
  const folder = emptyFolder(t);
  const set = ['-p', 'debug', '-s', 'train.max_iters=1'];
  t.is((await espalier(folder, 'train', ...set)).code, 0);
  const { code, err } = await espalier(folder, 'train', ...set, '--resume');
  t.is(code, 0, err);
  t.regex(err, /nothing is left to train: .*--set train\.max_iters=N/);
});
