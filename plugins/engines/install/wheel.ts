import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { EspalierError } from '../../../core/index.js';
import { makeFolder } from '../../files/contract.js';
import { runCommand } from './command.js';

// Wheels are built per Python version, but contain the same libraries, so the machine's own version does not matter.
export const anyPython: readonly string[] = [
  '--no-deps',
  '--only-binary=:all:',
  '--python-version',
  '3.12',
  '--disable-pip-version-check',
  '--quiet',
];

/** Extracts the entries that start with one of the names, with their modes, and prints METADATA. */
const TAKE = `
import os, sys, zipfile
wheel, target, *names = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for entry in archive.infolist():
        if entry.filename.startswith(tuple(names)):
            mode = entry.external_attr >> 16
            made = archive.extract(entry, target)
            if mode:
                os.chmod(made, mode | 0o600)
        if entry.filename.endswith('.dist-info/METADATA'):
            print(archive.read(entry).decode())
`;

/** A wheel on PyPI. */
export interface Wheel {
  /** `name==version` */
  readonly spec: string;
  /** Of the file; without it, any is taken. */
  readonly sha256?: string;
  /** What is extracted: beginnings of its entries' names. */
  readonly taken: readonly string[];
}

/**
 * Downloads a wheel with the machine's pip and extracts a part of it.
 * @returns its METADATA
 * @throws EspalierError with what pip says, or if the file is not the one of the hash
 */
export async function fetchWheel({ spec, sha256, taken }: Wheel, folder: string): Promise<string> {
  const downloads = path.join(folder, 'download');
  makeFolder(downloads);
  const requirements = path.join(downloads, 'requirements.txt');
  writeFileSync(requirements, sha256 === undefined ? spec : `${spec} --hash=sha256:${sha256}`);
  const hashes = sha256 === undefined ? [] : ['--require-hashes'];
  const args = ['-m', 'pip', 'download', ...anyPython, ...hashes, '--dest', downloads, '--requirement', requirements];
  try {
    await runCommand('python3', args);
  } catch (thrown) {
    if (!(thrown instanceof EspalierError)) throw thrown;
    throw new EspalierError(
      'ESP_ENGINE',
      `${spec} cannot be downloaded${reasonIn(thrown.message)}\n${thrown.message}`,
      {
        cause: thrown,
      },
    );
  }
  const wheel = readdirSync(downloads).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new EspalierError('ESP_ENGINE', `pip downloaded no wheel of ${spec}`);
  const metadata = await runCommand('python3', ['-c', TAKE, path.join(downloads, wheel), folder, ...taken]);
  rmSync(downloads, { recursive: true });
  return metadata;
}

/** What pip's lines mean. */
function reasonIn(message: string): string {
  if (/DO NOT MATCH THE HASHES/.test(message)) return ': it is not the file that espalier was tested with';
  if (/No space left/.test(message)) return ': the disk is full';
  if (/No matching distribution/.test(message))
    return ': pip reaches no package index that has it; connect the machine, or set PIP_INDEX_URL to a mirror of PyPI';
  return '';
}
