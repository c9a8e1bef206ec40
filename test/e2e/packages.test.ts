import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { emptyFolder, type Outcome } from './command.js';
import { espalier } from './warm.js';

const fixture = path.resolve('test/fixtures/package');
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

test('a package that npm installs contributes a plugin, a preset, a command, an option, an event and metrics', async (t) => {
  const folder = emptyFolder(t);
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }');
  const npm = promisify(execFile);
  await npm('npm', ['install', '--offline', '--no-audit', '--no-fund', '--install-links', fixture], { cwd: folder });
  // Found from a folder within the project, too.
  const within = path.join(folder, 'experiments');
  mkdirSync(within);

  t.is((await espalier(within, 'countdown')).out, '3 2 1\n');
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

test('two packages with one command, plugin or preset are refused with both names', async (t) => {
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

test('a package with the name of a built-in plugin is refused', async (t) => {
  const shadow = copied(t, { name: 'shadow', espalier: { family: './mine', requires: '*' } });
  mkdirSync(path.join(shadow, 'mine'));
  cpSync(path.join(fixture, 'family/countdown.ts'), path.join(shadow, 'mine/native.ts'));
  refused(
    t,
    await espalier(project(t, { shadow }), 'plugins'),
    /named native: one of espalier, one of the package shadow/,
  );
});

test('a wrong declaration is named with its file; a package in the making is found in its own folder', async (t) => {
  const gone = copied(t, { espalier: { family: './dist', requires: '*' } });
  refused(t, await espalier(gone, 'presets'), /package\.json: key espalier: family names .*dist, which does not exist/);
  const odd = copied(t, { espalier: { family: './family', requires: '*', plugins: [] } });
  refused(t, await espalier(odd, 'presets'), /key espalier: .*plugins.*it takes family, presets and requires/s);
  t.is((await espalier(copied(t, {}), 'countdown')).out, '3 2 1\n');
});
