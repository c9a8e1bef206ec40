import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import type { StoredTensor } from '../../core/index.js';
import { readSafetensors } from '../../plugins/checkpoint/safetensors/read.js';
import { writeSafetensors } from '../../plugins/checkpoint/safetensors/write.js';
import { commandFile, emptyFolder, type Outcome } from './command.js';
import { espalier } from './warm.js';

const fixture = path.resolve('test/fixtures/package');
const bigramFormat = path.resolve('test/fixtures/bigram-package/family/formats/bigrams.ts');
const NAME = '@team/espalier-countdown';

/** A project that depends on packages, by name and folder, which are linked as a workspace links them. */
function project(t: ExecutionContext, packages: Readonly<Record<string, string>>): string {
  const folder = emptyFolder(t);
  const dependencies = Object.fromEntries(Object.keys(packages).map((name) => [name, '*']));
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ private: true, dependencies }));
  for (const [name, target] of Object.entries(packages)) {
    const link = path.join(folder, 'node_modules', name);
    mkdirSync(path.dirname(link), { recursive: true });
    symlinkSync(target, link, 'junction');
  }
  return folder;
}

/** A copy of the fixture with another name, or other declarations. */
function copied(t: ExecutionContext, changes: Readonly<Record<string, unknown>>): string {
  const folder = emptyFolder(t);
  cpSync(fixture, folder, { recursive: true });
  const file = path.join(folder, 'package.json');
  const described = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...described, ...changes }));
  return folder;
}

function refused(t: ExecutionContext, { code, err }: Outcome, message: RegExp): void {
  t.is(code, 2, err);
  t.regex(err, message);
}

test('an installed package contributes a plugin, a preset, a command, an option, an event and metrics', async (t) => {
  const folder = emptyFolder(t);
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }');
  const npm = promisify(execFile);
  await npm('npm', ['install', '--offline', '--no-audit', '--no-fund', '--install-links', fixture], { cwd: folder });
  // Found from a folder within the project, too.
  const within = path.join(folder, 'experiments');
  mkdirSync(within);

  t.is((await espalier(within, 'countdown')).out, '3 2 1\n');
  await pageTest(folder);
  refused(t, await espalier(within, 'countdown', '--from', '20'), /--from 20 takes too long.*\[ESP_USAGE\]/);
  t.regex((await espalier(within, '--help')).out, /^ {2}countdown \[options\] +count down/m);
  t.regex((await espalier(within, 'presets')).out, /^countdown +The debug preset, counted down\. \(from @team/m);
  const plugins = await espalier(within, 'plugins', 'countdown');
  t.regex(plugins.out, /^countdown \(plugins\): .* \(from @team\/espalier-countdown\)\n {4}from: integer/);
  t.regex((await espalier(within, 'metrics')).out, /^countdown\/left \[iterations\]: .*\(from @team/m);
  const declared = /^countdown:end: when nothing is left to count down \(declared by @team\/espalier-countdown\)$/m;
  t.regex((await espalier(within, 'events')).out, declared);

  const listener = `import { inject, Logger, On, Plugin } from 'espalier';
@Plugin({ name: 'cheer', summary: 'hears the event of the package' })
export class Cheer {
  constructor(@inject(Logger) private readonly log: Logger) {}
  @On('countdown:end') cheer({ iteration }): void { this.log.info(\`hooray at iteration \${iteration}\`); }
}
`;
  writeFileSync(path.join(within, 'cheer.ts'), listener);
  writeFileSync(path.join(within, 'espalier.config.yaml'), `extends: ['${NAME}']\n`);
  const set = ['-s', 'train.max_iters=3', '-s', 'plugins.report=false', '-s', 'plugins.profiler=false'];
  const trained = await espalier(within, 'train', ...set, '-s', 'plugins."./cheer.ts"=true');
  t.is(trained.code, 0, trained.err);
  t.regex(trained.err, /hooray at iteration 3/);
  t.deepEqual(counted(within), [2, 1, 0]);
  const optional = await espalier(within, 'train', '--preset', 'debug', '--countdown', '1', '--force', '-q', ...set);
  t.is(optional.code, 0, optional.err);
  t.is(optional.err, 'counting down to iteration 3\ndone at iteration 3\n');
  t.deepEqual(counted(within), [1, 0]);
});

test('plugins --installed lists packages, versions and what they contribute; a misspelled package gets a suggestion', async (t) => {
  const single = emptyFolder(t);
  writeFileSync(
    path.join(single, 'package.json'),
    '{ "name": "espalier-plugin-metronome", "version": "0.3.0", "type": "module", "main": "index.ts" }',
  );
  writeFileSync(
    path.join(single, 'index.ts'),
    "import { Plugin } from 'espalier';\n@Plugin({ name: 'metronome', summary: 'ticks' })\nexport class Metronome {}\n",
  );
  const folder = project(t, { [NAME]: fixture, 'espalier-plugin-metronome': single });
  const { code, out, err } = await espalier(folder, 'plugins', '--installed');
  t.is(code, 0, err);
  t.is(
    out,
    [
      `${NAME} ${String(JSON.parse(readFileSync(path.join(fixture, 'package.json'), 'utf8')).version)}`,
      '    plugins: countdown',
      '    commands: countdown',
      '    options of: train',
      '    events: events.ts',
      '    presets: countdown',
      'espalier-plugin-metronome 0.3.0',
      '    plugins: metronome',
      '',
    ].join('\n'),
  );
  for (const [wrong, right] of [
    ['metronom', 'metronome'],
    ['espalier-plugin-metronom', 'espalier-plugin-metronome'],
    ['countdwn', 'countdown'],
  ] as const) {
    const message = new RegExp(`"${wrong}".*did you mean "${right}"\\?.*ESP_PLUGIN_NOT_FOUND`);
    refused(t, await espalier(folder, 'plugins', wrong), message);
    const config = ['--preset', 'debug', '--set', `plugins.${wrong}=true`, '--dry-run'];
    refused(t, await espalier(folder, 'train', ...config), message);
  }
});

test('a package adds a weight format: init reads a folder of it, and export writes one', async (t) => {
  const folder = project(t, { 'espalier-bigrams': withBigram(t) });
  const { settings, weights } = await bigramWeights(folder);
  const explained = await espalier(folder, 'explain', ...settings, 'model');
  t.is(explained.code, 0, explained.err);
  const lines = explained.out.trim().split('\n');
  t.deepEqual(lines.map((line) => line.trim().replace(/ +/g, ' ')).sort(), [
    'model.block_size 16 # --set',
    'model.use bigram # weights/config.json',
    'model.width 8 # weights/config.json',
  ]);
  const trained = await espalier(folder, 'train', ...settings);
  t.is(trained.code, 0, trained.err);
  const exported = await espalier(folder, 'checkpoint', 'export', '--out', 'back');
  t.is(exported.code, 0, exported.err);
  t.deepEqual(JSON.parse(readFileSync(path.join(folder, 'back/config.json'), 'utf8')), {
    model_type: 'bigrams',
    hidden_size: 8,
  });
  t.deepEqual(await readSafetensors(path.join(folder, 'back/model.safetensors')), weights);

  refused(
    t,
    await espalier(folder, 'explain', ...settings, '--set', 'model.use=gpt'),
    /--set: model\.use is "gpt", .* are for a bigram model and need "bigram" \(weights.config\.json\).*ESP_PRETRAINED/,
  );
  refused(
    t,
    await espalier(folder, 'explain', ...settings, '--set', 'model.width=9'),
    /--set: model\.width is 9, .* need 8 \(weights.config\.json\).*ESP_PRETRAINED/,
  );
});

test('the class of a model lists its formats; a model without any is not exported', async (t) => {
  const folder = emptyFolder(t);
  const { settings, weights } = await bigramWeights(folder);
  cpSync(bigramFormat, path.join(folder, 'bigrams.ts'));
  const listing = bigram()
    .replace('import {', "import { format } from './bigrams.ts';\nimport {")
    .replace('static register', 'static readonly weightFormats = [format];\n\n  static register');
  for (const [name, code] of [
    ['plain', bigram()],
    ['listing', listing],
  ] as const) {
    writeFileSync(path.join(folder, `${name}.ts`), code);
    const init = name === 'plain' ? ['--set', 'init=scratch'] : [];
    const own = ['--set', `model.use=./${name}.ts`, '--set', `run.dir=${name}`, ...init];
    const { code: exit, err } = await espalier(folder, 'train', ...settings, ...own);
    t.is(exit, 0, err);
    const exported = await espalier(folder, 'checkpoint', 'export', name, '--out', 'back');
    if (name === 'plain') refused(t, exported, /plugin \.\/plain\.ts has no weight format.*ESP_CHECKPOINT_EXPORT/);
    else t.is(exported.code, 0, exported.err);
  }
  t.deepEqual(await readSafetensors(path.join(folder, 'back/model.safetensors')), weights);
  writeFileSync(path.join(folder, 'broken.ts'), listing.replace('= [format]', '= [{ name: 1 }]'));
  refused(
    t,
    await espalier(folder, 'explain', ...settings, '--set', 'model.use=./broken.ts'),
    /static weightFormats of Bigram .* not a weight format.*ESP_FORMAT_EXPORT/,
  );
});

test('a file in formats/ that exports no format is refused', async (t) => {
  const broken = withBigram(t);
  writeFileSync(path.join(broken, 'family/formats/bigrams.ts'), "export const format = { name: 'bigram' };");
  const folder = project(t, { 'espalier-bigrams': broken });
  mkdirSync(path.join(folder, 'weights'));
  writeFileSync(path.join(folder, 'weights/config.json'), '{}');
  refused(
    t,
    await espalier(folder, 'explain', '--set', 'init=weights'),
    /`format` of .*bigrams\.ts \(espalier-bigrams\) is not a weight format: it needs name, use, .*ESP_FORMAT_EXPORT/,
  );
});

test('the guide to weight formats has the code that is tested', (t) => {
  t.true(readFileSync('docs/plugins/weight-formats.md', 'utf8').includes(readFileSync(bigramFormat, 'utf8').trim()));
});

/** The test on the page about commands, in the project. */
async function pageTest(folder: string): Promise<void> {
  const page = readFileSync('docs/plugins/command.md', 'utf8');
  const [, code = ''] = /```ts\n(\/\/ countdown\.test\.ts\n[^]*?)```/.exec(page) ?? [];
  writeFileSync(path.join(folder, 'countdown.test.mjs'), code);
  mkdirSync(path.join(folder, 'node_modules/.bin'), { recursive: true });
  const shim = `#!/usr/bin/env node\nimport(${JSON.stringify(pathToFileURL(commandFile).href)});\n`;
  writeFileSync(path.join(folder, 'node_modules/.bin/espalier'), shim, { mode: 0o755 });
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  await promisify(execFile)(process.execPath, ['countdown.test.mjs'], { cwd: folder, env });
}

/** A copy of the package of bigrams, with the model of the guide. */
function withBigram(t: ExecutionContext): string {
  const folder = emptyFolder(t);
  cpSync('test/fixtures/bigram-package', folder, { recursive: true });
  writeFileSync(path.join(folder, 'family/bigram.ts'), bigram());
  return folder;
}

/** The model of the guide. */
function bigram(): string {
  const guide = readFileSync('docs/plugins/model.md', 'utf8');
  return /```ts\n(\/\/ bigram\.ts\n.*?)```/s.exec(guide)?.[1] ?? '';
}

/** Weights of a model of bigrams, in the folder `weights`, and settings that train it without changing them. */
async function bigramWeights(folder: string): Promise<{ settings: string[]; weights: Map<string, StoredTensor> }> {
  const values = (size: number): Float32Array => Float32Array.from({ length: size }, (_, i) => i / size - 0.5);
  const weights = new Map([
    ['embed.weight', { shape: [50, 8], values: values(400) }],
    ['out.weight', { shape: [50, 8], values: values(400).reverse() }],
  ]);
  mkdirSync(path.join(folder, 'weights'));
  writeFileSync(
    path.join(folder, 'weights/config.json'),
    JSON.stringify({ model_type: 'bigrams', hidden_size: 8, vocab_size: 50 }),
  );
  await writeSafetensors(path.join(folder, 'weights/model.safetensors'), weights);
  const text = Array.from({ length: 4000 }, (_, i) => String.fromCharCode(48 + ((7 * i) % 50))).join('');
  writeFileSync(path.join(folder, 'text.txt'), text);
  const set = ['init=weights', 'data.text=text.txt', 'engine=auto', 'precision=f32', 'train.max_iters=1'];
  set.push('optimizer.learning_rate=0', 'lr.min_lr=0', 'model.block_size=16');
  return { settings: ['--preset', 'debug', ...set.flatMap((each) => ['--set', each])], weights };
}

function counted(folder: string): unknown[] {
  const lines = readFileSync(path.join(folder, 'runs/debug/metrics.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line)['countdown/left'] as unknown).filter((left) => left !== undefined);
}

test('a package for another version of espalier is refused with both versions', async (t) => {
  const old = copied(t, { espalier: { family: './family', requires: '^99.2' } });
  const message =
    /package @team\/espalier-countdown 1\.2\.0 requires espalier \^99\.2, and this is espalier 0\.\d+\.\d+:/;
  refused(t, await espalier(project(t, { [NAME]: old }), 'countdown'), message);
});

test('two packages with the same command, plugin or preset are refused, naming both', async (t) => {
  const whole = copied(t, { name: 'twin' });
  refused(
    t,
    await espalier(project(t, { [NAME]: fixture, twin: whole }), 'events'),
    /commands are named countdown: one of the package @team\/.*, one of the package twin/,
  );
  const twin = copied(t, { name: 'twin' });
  rmSync(path.join(twin, 'family/commands'), { recursive: true });
  const both = project(t, { [NAME]: fixture, twin });
  refused(
    t,
    await espalier(both, 'plugins'),
    /plugins are named countdown: one of @team\/espalier-countdown, one of the package twin/,
  );
  refused(
    t,
    await espalier(both, 'presets'),
    /presets are named countdown: .*countdown\.yaml and .*of the package twin/,
  );
  refused(t, await espalier(both, 'train'), /options of train are named --countdown: one of the package @team.*twin/);
});

test('a package whose plugin has the name of a built-in one is refused', async (t) => {
  const shadow = copied(t, { name: 'shadow', espalier: { family: './mine', requires: '*' } });
  mkdirSync(path.join(shadow, 'mine'));
  cpSync(path.join(fixture, 'family/countdown.ts'), path.join(shadow, 'mine/native.ts'));
  refused(
    t,
    await espalier(project(t, { shadow }), 'plugins'),
    /named native: one of espalier, one of the package shadow/,
  );
});

test('an invalid declaration is named with its file; a package under development is found in its own folder', async (t) => {
  const gone = copied(t, { espalier: { family: './dist', requires: '*' } });
  refused(t, await espalier(gone, 'presets'), /package\.json: key espalier: family names .*dist, which does not exist/);
  const odd = copied(t, { espalier: { family: './family', requires: '*', plugins: [] } });
  refused(t, await espalier(odd, 'presets'), /key espalier: .*plugins.*it takes family, presets and requires/s);
  t.is((await espalier(copied(t, {}), 'countdown')).out, '3 2 1\n');
});
