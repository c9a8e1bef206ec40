import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { text } from '../text.js';
import { ran, sharedFolder, type Outcome } from './command.js';
import { warm } from './warm.js';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const throws = `throw new Error('no binary for this machine');\n`;

/** The package with a plugin and an engine among its own that do not load. */
const installed = sharedFolder();
for (const name of ['node_modules', 'package.json', 'presets', 'plugins']) {
  symlinkSync(path.join(repository, name), path.join(installed, name));
}
for (const name of ['dist/core', 'dist/plugins']) {
  cpSync(path.join(repository, name), path.join(installed, name), { recursive: true });
}
addPlugin('broken', throws);
addPlugin('engine-broken', throws);
const main = path.join(installed, 'dist/plugins/command-line/shell/main.js');
const folder = sharedFolder();
writeFileSync(path.join(folder, 'text.txt'), text);
const command = warm(main);
const espalier = (...args: string[]): Promise<Outcome> => command(folder, ...args);

test('a plugin that does not load is listed with its reason, and reported when it is used', async (t) => {
  const all = await espalier('plugins');
  t.is(all.code, 0, all.err);
  t.regex(all.out, /^broken \(does not load on this machine\): .*no binary for this machine$/m);
  t.regex(all.out, /^engine-broken \(does not load on this machine\): .*no binary for this machine$/m);
  t.regex(all.out, /^gpt \(model\)/m);
  const json: unknown = JSON.parse((await espalier('plugins', '--json')).out);
  t.true(
    Array.isArray(json) && json.some((each: unknown) => typeof each === 'object' && each !== null && 'error' in each),
  );
  const one = await espalier('plugins', 'broken');
  t.is(one.code, 2);
  t.regex(one.err, /plugin broken .*no binary for this machine \[ESP_PLUGIN_LOAD\]/);
});

test('a plugin that does not load does not affect commands that do not use it', async (t) => {
  for (const args of [['metrics'], ['presets'], ['doctor'], ['explain', '-s', 'data.text=text.txt']]) {
    const { code, err } = await espalier(...args);
    t.is(code, 0, `${args.join(' ')}: ${err}`);
  }
  t.regex((await espalier('doctor')).out, /^ {2}no +broken +.*no binary for this machine$/m);
  const dry = await espalier(
    'train',
    '--preset',
    'debug',
    '-s',
    'data.text=text.txt',
    '-s',
    'engine=auto',
    '--dry-run',
  );
  t.is(dry.code, 0, dry.err);
  t.regex(dry.out + dry.err, /not taken: broken: .*no binary for this machine/);
  const misspelled = await espalier('train', '--preset', 'debug', '-s', 'plugins.csvv=true');
  t.regex(misspelled.err, /did you mean "csv"/);
  const asked = await espalier('train', '--preset', 'debug', '-s', 'data.text=text.txt', '-s', 'plugins.broken=true');
  t.is(asked.code, 2);
  t.regex(asked.err, /no binary for this machine/);
});

test('a checkpoint whose plugin does not load is evaluated without it, with a warning', async (t) => {
  addPlugin(
    'fragile',
    `import { Plugin } from '../../../core/index.js';
export default class Fragile {}
Plugin({ name: 'fragile', summary: 'loads for now' })(Fragile);\n`,
  );
  const small = ['model.n_layer=1', 'model.n_embd=8', 'train.max_iters=2', 'train.batch_size=2', 'data.text=text.txt'];
  const settings = [...small, 'plugins.fragile={}', 'run.dir=run'].flatMap((setting) => ['-s', setting]);
  const trained = await ran(main, folder, ['train', '--preset', 'debug', ...settings]);
  t.is(trained.code, 0, trained.err);
  addPlugin('fragile', throws);
  const evaluated = await ran(main, folder, ['evaluate', 'run', '--iters', '1']);
  t.is(evaluated.code, 0, evaluated.err);
  t.regex(
    evaluated.err,
    /left out, because it does not load on this machine: plugin fragile .*no binary for this machine/,
  );
  t.regex(evaluated.out, /val loss/);
});

function addPlugin(name: string, code: string): void {
  mkdirSync(path.join(installed, 'dist/plugins/logs', name), { recursive: true });
  writeFileSync(path.join(installed, 'dist/plugins/logs', name, 'index.js'), code);
}
