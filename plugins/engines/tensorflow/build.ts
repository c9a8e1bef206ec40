import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { runCommand } from '../install/command.js';
import { sourceFolders } from './npm.js';

/** The C++ compiler that builds the binding. */
export const compiler = process.env['CXX'] ?? 'c++';

const RPATH = '-Wl,-rpath,$ORIGIN/tensorflow';

// TensorFlow logs from a static initializer, before any log level can be set.
const PRELOAD = `
#include <dlfcn.h>
#include <fcntl.h>
#include <node_api.h>
#include <unistd.h>

NAPI_MODULE_INIT() {
  const int terminal = dup(STDERR_FILENO);
  const int nowhere = open("/dev/null", O_WRONLY);
  if (terminal < 0 || nowhere < 0) return exports;
  dup2(nowhere, STDERR_FILENO);
  dlopen("libtensorflow_framework.so.2", RTLD_LAZY | RTLD_GLOBAL);
  dup2(terminal, STDERR_FILENO);
  close(nowhere);
  close(terminal);
  return exports;
}
`;

/**
 * Compiles tfjs-node's C++ against the libraries in `tensorflow`, which it finds next to itself without environment
 * variables.
 */
export async function buildBinding(folder: string, log: (line: string) => void): Promise<void> {
  log(`building the binding with ${compiler}`);
  const { binding, headers } = sourceFolders(folder);
  const library = path.join(folder, 'tensorflow');
  const common = ['-std=c++17', '-O2', '-fPIC', '-shared', '-w', '-DNAPI_VERSION=8', `-I${headers}`, RPATH];

  await runCommand(compiler, [
    ...common,
    `-I${path.dirname(binding)}`,
    `-I${path.join(library, 'include')}`,
    path.join(binding, 'tfjs_backend.cc'),
    path.join(binding, 'tfjs_binding.cc'),
    path.join(library, 'libtensorflow_cc.so.2'),
    path.join(library, 'libtensorflow_framework.so.2'),
    '-o',
    path.join(folder, 'tfjs_binding.node'),
  ]);

  const source = path.join(folder, 'build', 'preload.cc');
  writeFileSync(source, PRELOAD);
  await runCommand(compiler, [...common, source, '-ldl', '-o', path.join(folder, 'preload.node')]);

  rmSync(path.join(folder, 'build'), { recursive: true });
  rmSync(path.join(library, 'include'), { recursive: true });
}
