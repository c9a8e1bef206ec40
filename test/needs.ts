import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, appendFileSync, constants, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type Implementation } from 'ava';
import { probeEngines, shortName } from '../plugins/engines/choice/choice.js';

/** Something that a machine may lack and a test cannot do without. */
export interface Need {
  /** What it is called in titles and in ESPALIER_REQUIRE. */
  readonly name: string;
  /** Why it is missing; undefined if it is there. */
  readonly missing: string | undefined;
  /** What to do to have the tests run. */
  readonly enable: string;
  /** Whether it is a program of others, which CI installs for a second pass over the tests that need one. */
  readonly peer?: boolean;
}

export type Declare = (title: string, run: Implementation<[]>) => void;

/**
 * `test` where the machine has what is needed. Elsewhere the test is skipped, and the summary of `npm test` lists it
 * with the reason. ESPALIER_REQUIRE (names separated by commas; `peers` for all programs of others) makes what it names
 * fail its tests instead.
 */
export function needing(...needs: readonly Need[]): Declare & { readonly serial: Declare } {
  return declaring(needs, (title, run, lacking, as) => {
    record(title, lacking);
    as.skip(title, run);
  });
}

/**
 * `test` of which a part needs something else: the test looks at `missing` itself, and leaves that part out.
 * The summary lists it like a test that is skipped.
 */
export function partlyNeeding(...needs: readonly Need[]): Declare & { readonly serial: Declare } {
  return declaring(needs, (title, run, lacking, as) => {
    record(title, lacking, 'part of ');
    as(title, run);
  });
}

/** Declares one skipped test in place of those that can only be declared where a need is met. */
export function skipped(title: string, need: Need): void {
  needing(need)(title, (t) => t.fail('the need is met: declare the tests'));
}

type As = typeof test.serial;
type WhenLacking = (title: string, run: Implementation<[]>, lacking: Need, as: As) => void;

function declaring(needs: readonly Need[], whenLacking: WhenLacking): Declare & { readonly serial: Declare } {
  const lacking = needs.find(({ missing }) => missing !== undefined);
  const peers = needs.filter(({ peer }) => peer === true).map(({ name }) => name);
  const suffix = peers.length === 0 ? '' : ` [needs ${peers.join(', ')}]`;
  const declare =
    (as: As): Declare =>
    (title, run) => {
      if (lacking === undefined) as(title + suffix, run);
      else if (required.has(lacking.name) || (lacking.peer === true && required.has('peers')))
        as(title + suffix, (t) => t.fail(`${reason(lacking)}; it is required here`));
      else whenLacking(title + suffix, run, lacking, as);
    };
  return Object.assign(declare(test), { serial: declare(test.serial) });
}

const required = new Set((process.env['ESPALIER_REQUIRE'] ?? '').split(',').filter((name) => name !== ''));

/** `test/run.mjs` reads these lines when all tests have run. */
function record(title: string, need: Need, part = ''): void {
  const file = process.env['ESPALIER_SKIPPED'];
  const line = { title, reason: part + reason(need), enable: need.enable };
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(line)}\n`);
}

function reason({ name, missing }: Need): string {
  return `${name}: ${missing ?? ''}`;
}

export const peersPython = process.env['ESPALIER_PEERS_PYTHON'] ?? 'python3';

/** A Python with these modules: PyTorch's, W&B's and others' own programs, against which ours are checked. */
export function python(...modules: readonly string[]): Need {
  const find = 'import importlib.util as u, sys; print(*[m for m in sys.argv[1:] if not u.find_spec(m)])';
  const { status, stdout } = spawnSync(peersPython, ['-c', find, ...modules], { encoding: 'utf8' });
  const absent = status === 0 ? stdout.trim() : modules.join(' ');
  return {
    name: modules.join(' + '),
    missing: absent === '' ? undefined : `${peersPython} does not have ${absent}`,
    enable: `pip install ${modules.join(' ')} into a Python environment, and set ESPALIER_PEERS_PYTHON to its python`,
    peer: true,
  };
}

/** Files that packages ship, NAME.json, in the folder ESPALIER_TOKENIZERS. */
export function tokenizerFiles(): Need & { readonly files: readonly string[] } {
  const folder = process.env['ESPALIER_TOKENIZERS'];
  const found =
    folder !== undefined && existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];
  return {
    name: 'tokenizer files',
    missing: found.length === 0 ? 'ESPALIER_TOKENIZERS names no folder with such files' : undefined,
    enable: 'run .ci/tokenizers FOLDER, and set ESPALIER_TOKENIZERS to the folder',
    peer: true,
    // Without files there is one test for all, which says what is missing.
    files: found.length === 0 ? ['tokenizer.json'] : found.map((name) => path.join(folder ?? '', name)),
  };
}

/** llama.cpp's convert_hf_to_gguf.py with what it imports, in the folder ESPALIER_GGUF. */
export function ggufConverter(): FolderNeed {
  const script = 'convert_hf_to_gguf.py';
  return { ...inFolder('ESPALIER_GGUF', script, '.ci/gguf'), name: 'llama.cpp’s converter', peer: true };
}

/** XLA's plugin for NVIDIA GPUs, which compiles without one, in the folder ESPALIER_XLA_CUDA. */
export function xlaForCuda(): FolderNeed {
  const need = inFolder('ESPALIER_XLA_CUDA', 'jax_plugins', '.ci/xla-cuda');
  // Where its wheels cannot be had, its tests are skipped, even where peers are required.
  return { ...need, name: 'XLA for CUDA', peer: need.missing === undefined };
}

type FolderNeed = Need & { readonly folder: string };

/** What a script puts into a folder, which an environment variable then names. */
function inFolder(variable: string, file: string, script: string): Omit<FolderNeed, 'name'> {
  const folder = process.env[variable] ?? '';
  return {
    missing:
      folder !== '' && existsSync(path.join(folder, file)) ? undefined : `${variable} names no folder with ${file}`,
    enable: `run ${script} FOLDER, and set ${variable} to the folder`,
    folder,
  };
}

/** Hugging Face's library, of which there is a build for most platforms. */
export function tokenizerLibrary(): Need {
  let missing: string | undefined;
  try {
    createRequire(import.meta.url)('@anush008/tokenizers');
  } catch (thrown) {
    missing = thrown instanceof Error ? thrown.message : String(thrown);
  }
  return { name: 'tokenizer library', missing, enable: 'npm install @anush008/tokenizers' };
}

const CHROMIUM = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The system's Chromium; undefined if it has none. */
export function chromiumPath(): string | undefined {
  return CHROMIUM.map(onPath).find((file) => file !== undefined);
}

export function chromium(): Need {
  const missing = chromiumPath() === undefined ? `none of ${CHROMIUM.join(', ')} is on the PATH` : undefined;
  return { name: 'Chromium', missing, enable: 'install Chromium (Debian: apt install chromium)', peer: true };
}

export type Mpi = 'Open MPI' | 'MPICH';

/** The launcher of an MPI: Open MPI's of the system, MPICH's beside the peers' Python; undefined if it is not there. */
export function mpiLauncher(mpi: Mpi): string | undefined {
  if (mpi === 'Open MPI') {
    const { error, stdout } = spawnSync('mpirun', ['--version'], { encoding: 'utf8' });
    return error === undefined && stdout.includes('Open MPI') ? 'mpirun' : undefined;
  }
  const file = path.join(path.dirname(process.env['ESPALIER_PEERS_PYTHON'] ?? '/nowhere/python'), 'mpiexec');
  return existsSync(file) ? file : undefined;
}

export function mpi(name: Mpi): Need {
  const enable = {
    'Open MPI': 'install Open MPI (Debian: apt install openmpi-bin)',
    MPICH: 'pip install mpich into a Python environment, and set ESPALIER_PEERS_PYTHON to its python',
  };
  const missing = mpiLauncher(name) === undefined ? 'its launcher is not found' : undefined;
  return { name, missing, enable: enable[name], peer: true };
}

/** An engine that works on this machine. */
export async function engineNeed(name: string): Promise<Need> {
  engines ??= await probeEngines();
  const found = engines.find(({ plugin }) => shortName(plugin) === name);
  const works = found?.probe.works === true;
  return {
    name: `engine ${name}`,
    missing: works ? undefined : (found?.probe.why ?? 'there is no such engine'),
    enable: howToHave[name] ?? `npx espalier engine install ${name}`,
    // The plugin of xla is a small project's file, which may be gone: its tests are then skipped where peers are required.
    peer: name === 'tensorflow' || (name === 'xla' && works),
  };
}

const howToHave: Readonly<Record<string, string>> = {
  native: 'install a C++ compiler (Debian: apt install g++) and run npx espalier engine install native',
  xla: 'run .ci/xla FOLDER, and set PJRT_PLUGIN_LIBRARY_PATH to the libpjrt_cpu.so in it',
};

let engines: Awaited<ReturnType<typeof probeEngines>> | undefined;

/** The right to mount a file system, for disks that are full or read-only. */
export function mounting(): Need {
  const folder = mkdtempSync(path.join(tmpdir(), 'espalier-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'ignore' });
    execFileSync('umount', ['-l', folder], { stdio: 'ignore' });
    return { name: 'mount', missing: undefined, enable: '' };
  } catch {
    const enable = 'run the tests as root on Linux, in a container with --cap-add SYS_ADMIN';
    return { name: 'mount', missing: 'no file system can be mounted here', enable };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Namespaces of processes, for runs that are process 1 of a container. */
export function processNamespaces(): Need {
  const works = spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'true'], { stdio: 'ignore' }).status === 0;
  const enable = 'run the tests as root on Linux, in a container with --cap-add SYS_ADMIN';
  return { name: 'unshare', missing: works ? undefined : 'no process namespace can be made here', enable };
}

/** A user whom permissions bind. */
export function ordinaryUser(): Need {
  const missing = process.getuid?.() === 0 ? 'root reads every folder' : undefined;
  return { name: 'a user other than root', missing, enable: 'run the tests as another user' };
}

export function linux(): Need {
  const missing = process.platform === 'linux' ? undefined : `this is ${process.platform}`;
  return { name: 'Linux', missing, enable: 'run the tests on Linux' };
}

export function posix(): Need {
  const missing = process.platform === 'win32' ? 'this is Windows' : undefined;
  return { name: 'POSIX', missing, enable: 'run the tests on Linux or macOS' };
}

/** A program of the system, by the name it has on the PATH. */
export function program(name: string): Need {
  const missing = onPath(name) === undefined ? 'it is not on the PATH' : undefined;
  return { name, missing, enable: `install ${name}` };
}

/** A device on which every write finds the disk full. */
export function fullDevice(): Need {
  const missing = existsSync('/dev/full') ? undefined : 'there is no /dev/full';
  return { name: '/dev/full', missing, enable: 'run the tests on Linux' };
}

/** A program on the PATH. */
export function onPath(name: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter);
  return folders.map((folder) => path.join(folder, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
