import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { EspalierError } from '../../../core/index.js';
import { installFolder, kindNames, kinds } from './install/kinds.js';

/** The environment variable with the plugin's path, the same as for other PJRT programs. */
export const LIBRARY_VARIABLE = 'PJRT_PLUGIN_LIBRARY_PATH';

/**
 * Returns the library of the machine's PJRT plugin: what PJRT_PLUGIN_LIBRARY_PATH names, else what `espalier engine
 * install xla` installed, else that of a Python environment.
 * @returns undefined if there is none
 * @throws EspalierError if the variable names a file that does not exist
 */
export function findLibrary(): string | undefined {
  const named = process.env[LIBRARY_VARIABLE] ?? '';
  if (named !== '' && !existsSync(named))
    throw new EspalierError('ESP_ENGINE', `${LIBRARY_VARIABLE} names ${named}, which does not exist`);
  if (named !== '') return named;
  const installed = kindNames.map((kind) => path.join(installFolder(kind), kinds[kind].library));
  const ofPython = pythonFolders().flatMap((folder) => kindNames.map((kind) => path.join(folder, kinds[kind].library)));
  return [...installed, ...ofPython].find((file) => existsSync(file));
}

/** Returns whether a library's name is that of a plugin for GPUs or TPUs. */
export function isForGpu(file: string | undefined): boolean {
  return file !== undefined && /cuda|rocm|tpu/.test(path.basename(file));
}

/** Returns the package folders of the active Python environment, the Pythons on the PATH, and the user. */
function pythonFolders(): string[] {
  const { VIRTUAL_ENV, CONDA_PREFIX, PATH = '' } = process.env;
  const onPath = PATH.split(path.delimiter)
    .map((folder) => path.join(folder, 'python3'))
    .filter((file) => existsSync(file))
    .flatMap((file) => [path.dirname(path.dirname(file)), path.dirname(path.dirname(realpathSync(file)))]);
  const roots = [VIRTUAL_ENV ?? '', CONDA_PREFIX ?? '', ...onPath, path.join(homedir(), '.local')];
  return [...new Set(roots)]
    .filter((root) => root !== '')
    .map((root) => path.join(root, 'lib'))
    .filter((lib) => existsSync(lib))
    .flatMap((lib) =>
      readdirSync(lib)
        .filter((name) => name.startsWith('python3'))
        .flatMap((name) => ['site-packages', 'dist-packages'].map((packages) => path.join(lib, name, packages))),
    );
}
