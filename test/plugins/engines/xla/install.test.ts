import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { findLibrary } from '../../../../plugins/engines/xla/find.js';
import { kindHere } from '../../../../plugins/engines/xla/install/driver.js';
import { installXla } from '../../../../plugins/engines/xla/install/install.js';
import { installFolder, type Kind, kinds, type KindName } from '../../../../plugins/engines/xla/install/kinds.js';
import { emptyFolder } from '../../../e2e/command.js';
import { linux, needing, python } from '../../../needs.js';

const ofPip = needing(linux(), python('pip')).serial;
const onLinux = needing(linux()).serial;

/** Environment of this process while a test runs. */
function set(t: ExecutionContext, values: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(values)) {
    const before = process.env[name];
    process.env[name] = value;
    t.teardown(() => {
      if (before === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = before;
    });
  }
}

/** A folder of the PATH with programs that print a text and exit with a code. */
function programs(
  t: ExecutionContext,
  texts: Readonly<Record<string, readonly [text: string, code?: number]>>,
): string {
  const folder = emptyFolder(t);
  for (const [name, [text, code = 0]] of Object.entries(texts)) {
    writeFileSync(path.join(folder, name), `#!/bin/sh\necho '${text}'\nexit ${String(code)}\n`);
    chmodSync(path.join(folder, name), 0o755);
  }
  return folder;
}

function driver(t: ExecutionContext, version: string): string {
  return `${programs(t, { 'nvidia-smi': [version] })}${path.delimiter}${process.env['PATH'] ?? ''}`;
}

const MAKE = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    info = 'small_plugin-1.0.dist-info/'
    wheel.writestr('jax_plugins/small/plugin.so', 'library')
    wheel.writestr('other/file', 'not taken')
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: small-plugin\\nVersion: 1.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'RECORD', '')
`;

/** A cache folder, and pip's only source: a folder with one wheel. */
function smallWheel(t: ExecutionContext): { readonly cache: string; readonly known: Record<KindName, Kind> } {
  const [cache, source] = [emptyFolder(t), emptyFolder(t)];
  const file = path.join(source, 'small_plugin-1.0-py3-none-any.whl');
  execFileSync('python3', ['-c', MAKE, file]);
  set(t, { ESPALIER_CACHE: cache, PIP_NO_INDEX: '1', PIP_FIND_LINKS: source, PATH: driver(t, '580.65.06') });
  const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex');
  return { cache, known: knownWith({ sha256 }) };
}

function knownWith(given: { sha256?: string; bytes?: number; spec?: string }): Record<KindName, Kind> {
  const { sha256 = '0'.repeat(64), bytes = 1, spec = 'small-plugin==1.0' } = given;
  const wheels = [{ spec, sha256, taken: ['jax_plugins/'] }];
  const library = 'jax_plugins/small/plugin.so';
  return { ...kinds, cuda13: { wheels, library, bytes, oldestDriver: 580 } };
}

async function installed(known: Record<KindName, Kind>, force = false): Promise<string[]> {
  const lines: string[] = [];
  await installXla({ gpu: false, device: 'cuda13', force, log: (line) => lines.push(line) }, known);
  return lines;
}

ofPip(
  'engine install xla unpacks what is needed of wheels with the expected hash, and keeps what is there',
  async (t) => {
    const { cache, known } = smallWheel(t);
    const folder = path.join(cache, 'espalier', 'xla-cuda13');
    t.deepEqual(await installed(known), ['fetching small-plugin==1.0 with pip (1 of 1)', `installed ${folder}`]);
    t.deepEqual(readdirSync(folder), ['jax_plugins']);
    t.is(readFileSync(path.join(folder, 'jax_plugins/small/plugin.so'), 'utf8'), 'library');
    t.deepEqual(await installed(known), [`already installed: ${folder}; --force installs it again`]);
    writeFileSync(path.join(folder, 'old'), '');
    await installed(known, true);
    t.deepEqual(readdirSync(folder), ['jax_plugins']);
    t.deepEqual(readdirSync(path.join(cache, 'espalier')), ['xla-cuda13']);
  },
);

ofPip('engine install xla leaves nothing of wheels that it does not want, or cannot have', async (t) => {
  const { cache } = smallWheel(t);
  for (const [known, message] of [
    [knownWith({}), /^small-plugin==1\.0 cannot be downloaded: it is not the file that espalier was tested with/],
    [
      knownWith({ spec: 'absent==1.0' }),
      /^absent==1\.0 cannot be downloaded: pip reaches no package index that has it/,
    ],
    [knownWith({ bytes: 1e18 }), /needs 1000000000\.0 GB and has [\d.]+ GB free; set ESPALIER_CACHE/],
  ] as const) {
    await t.throwsAsync(() => installed(known), { message });
    t.deepEqual(readdirSync(path.join(cache, 'espalier')), []);
  }
});

onLinux('engine install xla says which tool or driver is missing, and what would do', async (t) => {
  set(t, { ESPALIER_CACHE: emptyFolder(t), PATH: programs(t, { python3: ['No module named pip', 1] }) });
  const known = knownWith({});
  await t.throwsAsync(() => installed(known), {
    message: /cuda13 needs NVIDIA's driver 580 or newer, and `nvidia-smi`/,
  });
  process.env['PATH'] = programs(t, { 'nvidia-smi': ['535.54.03'], python3: ['No module named pip', 1] });
  t.is(kindHere(), 'cuda12');
  await t.throwsAsync(() => installed(known), {
    message:
      /driver 535\.54\.03 is too old: --device cuda13 needs 580 or newer; update the driver, or use --device cuda12$/,
  });
  process.env['PATH'] = programs(t, { 'nvidia-smi': ['580.65.06'], python3: ['No module named pip', 1] });
  t.is(kindHere(), 'cuda13');
  await t.throwsAsync(() => installed(known), { message: /the install needs python3 with pip/ });
  process.env['PATH'] = programs(t, { 'nvidia-smi': ['470.82.01'] });
  t.throws(() => kindHere(), {
    message: /470\.82\.01 is too old: --device cuda12 needs 525 or newer; update the driver$/,
  });
  await t.throwsAsync(() => installXla({ gpu: false, device: 'cuda', force: false, log: () => undefined }), {
    message: '--device cuda: choose from cuda13, cuda12, rocm, tpu',
  });
});

onLinux('the plugin that is used is the one that is named, else installed, else a Python environment’s', (t) => {
  const [cache, environment] = [emptyFolder(t), emptyFolder(t)];
  set(t, {
    ESPALIER_CACHE: cache,
    PATH: '',
    HOME: cache,
    VIRTUAL_ENV: environment,
    CONDA_PREFIX: '',
    PJRT_PLUGIN_LIBRARY_PATH: '',
  });
  t.is(findLibrary(), undefined);
  const put = (folder: string): string => {
    const file = path.join(folder, kinds.cuda12.library);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, '');
    return file;
  };
  const ofPython = put(path.join(environment, 'lib', 'python3.12', 'site-packages'));
  t.is(findLibrary(), ofPython);
  const ofOurs = put(installFolder('cuda12'));
  t.is(findLibrary(), ofOurs);
  process.env['PJRT_PLUGIN_LIBRARY_PATH'] = process.execPath;
  t.is(findLibrary(), process.execPath);
});
