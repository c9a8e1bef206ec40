// Runs before `npm start` and `npm test`; imports only Node's modules, because a fresh clone has no node_modules.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
/**
 * Node's code, the dashboard page, which runs in a browser, and outside authors' files, which are only type-checked.
 */
const projects = [
  'tsconfig.json',
  join('plugins', 'dashboard', 'page', 'tsconfig.json'),
  join('test', 'fixtures', 'tsconfig.json'),
  join('plugins', 'scaffolds', 'templates', 'tsconfig.json'),
];
const buildInfo = join(dist, '.tsbuildinfo');
const pageBuildInfo = join(dist, '.tsbuildinfo-page');
const sourceFolders = ['core', 'plugins', 'test'];
const notCompiled = [join('test', 'fixtures'), join('plugins', 'scaffolds', 'templates')];

checkNode();
install();
run(process.execPath, [join('core', 'install.mjs')], 'core/install.mjs');
build();

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  console.error(
    `espalier needs Node 20.19 or later; this is ${process.versions.node} (${process.execPath}). Install a newer Node.`,
  );
  process.exit(2);
}

/** Runs `npm ci` if node_modules is missing or older than the lock file. */
function install() {
  const installed = modified(join(root, 'node_modules', '.package-lock.json'));
  if (installed > 0 && installed >= modified(join(root, 'package-lock.json'))) return;
  console.log(`installing dependencies (npm ci): node_modules is ${installed === 0 ? 'missing' : 'out of date'}`);
  // Development dependencies include the compiler; NODE_ENV=production alone would leave them out.
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env.npm_execpath;
  if (npm?.endsWith('.js')) run(process.execPath, [npm, ...args], 'npm ci');
  else run('npm', args, 'npm ci', process.platform === 'win32');
}

/**
 * Runs `tsc` if a source is newer than the last good build or an output is missing, and deletes outputs without a
 * source.
 */
function build() {
  const sources = sourceFolders.flatMap((folder) => filesUnder(folder)).filter(isCompiled);
  const outputs = new Map(sources.map((source) => [outputOf(source), source]));
  for (const stale of filesUnder('dist').filter((file) => isOutput(file) && !outputs.has(moduleOf(file)))) {
    rmSync(join(root, stale));
  }
  const missing = [...outputs.keys()].some((output) => !existsSync(join(root, output)));
  // An incremental build writes only what changed, so it would not restore deleted outputs.
  if (missing) for (const file of [buildInfo, pageBuildInfo]) rmSync(file, { force: true });
  const built = modified(buildInfo);
  const inputs = [
    ...sources,
    ...notCompiled.flatMap((folder) => filesUnder(folder)).filter((file) => file.endsWith('.ts')),
    ...projects,
    'package-lock.json',
  ];
  if (built > 0 && inputs.every((file) => modified(join(root, file)) <= built)) return;

  console.log('building (tsc)');
  const started = new Date();
  run(
    process.execPath,
    [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b', ...projects],
    'tsc',
    false,
    () => {
      // tsc writes its build info even after errors; an old date makes the next run build again.
      if (existsSync(buildInfo)) utimesSync(buildInfo, 0, 0);
    },
  );
  utimesSync(buildInfo, started, started);
}

function run(command, args, name, shell = false, onFailure = () => undefined) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', shell });
  if (status === 0) return;
  onFailure();
  console.error(`${name} failed${error === undefined ? '' : `: ${error.message}`}; its output is above`);
  process.exit(1);
}

/** Returns the relative paths of all files below a folder. */
function filesUnder(folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

function isCompiled(file) {
  return (
    /\.[cm]?ts$/.test(file) && !/\.d\.[cm]?ts$/.test(file) && !notCompiled.some((folder) => file.startsWith(folder))
  );
}

function outputOf(source) {
  return join('dist', source.replace(/ts$/, 'js'));
}

function isOutput(file) {
  const ours = sourceFolders.some((folder) => file.startsWith(join('dist', folder)));
  return ours && /\.([cm]?js|[cm]?js\.map|d\.[cm]?ts)$/.test(file);
}

/** Returns the .js (.cjs, .mjs) that belongs to a .js.map or .d.ts. */
function moduleOf(output) {
  return output.replace(/\.map$/, '').replace(/\.d\.([cm]?)ts$/, '.$1js');
}

/** Returns a file's modification time in milliseconds since 1970; 0 if it does not exist. */
function modified(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
