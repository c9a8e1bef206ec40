import { cpSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeFolder } from '../../files/contract.js';
import { versions } from './cache.js';
import { runCommand } from '../install/command.js';

const packages = {
  tfjsNode: {
    spec: `@tensorflow/tfjs-node@${versions.tfjsNode}`,
    archive: `tensorflow-tfjs-node-${versions.tfjsNode}.tgz`,
  },
  protobuf: { spec: `google-protobuf@${versions.protobuf}`, archive: `google-protobuf-${versions.protobuf}.tgz` },
  headers: { spec: `node-api-headers@${versions.headers}`, archive: `node-api-headers-${versions.headers}.tgz` },
};

/** Source folders of the binding, deleted after the build. */
export function sourceFolders(folder: string): { binding: string; headers: string } {
  return {
    binding: path.join(folder, 'build', 'tfjs-node', 'binding'),
    headers: path.join(folder, 'build', 'node-api', 'include'),
  };
}

/**
 * Fetches tfjs-node's JavaScript (to `node_modules`), its C++ and Node's C headers from the npm registry, without
 * running scripts.
 */
export async function fetchPackages(folder: string, log: (line: string) => void): Promise<void> {
  log(`fetching ${packages.tfjsNode.spec} with npm`);
  const modules = path.join(folder, 'node_modules');
  const { binding, headers } = sourceFolders(folder);
  const source = path.dirname(binding);
  await runCommand(
    'npm',
    ['pack', '--silent', '--ignore-scripts', ...Object.values(packages).map(({ spec }) => spec)],
    folder,
  );
  await extract(folder, packages.tfjsNode.archive, source);
  await extract(folder, packages.protobuf.archive, path.join(modules, 'google-protobuf'));
  await extract(folder, packages.headers.archive, path.dirname(headers));

  const target = path.join(modules, '@tensorflow', 'tfjs-node');
  for (const part of ['dist', 'package.json', 'README.md'])
    cpSync(path.join(source, part), path.join(target, part), { recursive: true });
  for (const name of ['tfjs', 'tfjs-core']) writePlaceholder(path.join(modules, '@tensorflow', name));
}

/** `require.resolve` must find a file; the engine substitutes espalier's own tfjs-core before it is loaded. */
function writePlaceholder(folder: string): void {
  makeFolder(folder);
  writeFileSync(
    path.join(folder, 'index.js'),
    "throw new Error('espalier puts its own @tensorflow/tfjs-core here while it loads TensorFlow');\n",
  );
}

async function extract(folder: string, archive: string, target: string): Promise<void> {
  makeFolder(target);
  const file = path.join(folder, archive);
  await runCommand('tar', ['-xzf', file, '--strip-components=1', '-C', target]);
  rmSync(file);
}
