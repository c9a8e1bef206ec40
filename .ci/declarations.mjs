// Runs when the package is packed. TensorFlow.js's declarations refer to an old @webgpu/types, which contradicts the
// compiler's own, and to a global `Long`: whoever compiles a plugin without `skipLibCheck` would get 53 lines of errors.
// The package has a copy without them, and its own declarations refer to that one.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const source = join(root, 'node_modules', '@tensorflow', 'tfjs-core', 'dist');
const copy = join(dist, 'tfjs-core');

/** Types of browsers, of which nothing is used in Node, and of packages that are not there. */
const ABSENT =
  /\b(?:Long|GPUBuffer|GPUDevice|HTML(?:Image|Canvas|Video|Source)Element|ImageData|ImageBitmap|WebGLTexture|WebGLContextAttributes|IDBFactory)\b/g;

rmSync(copy, { recursive: true, force: true });
copyReachable('index.d.ts', new Set());
// Its files import each other without extensions.
writeFileSync(join(copy, 'package.json'), '{ "type": "commonjs" }\n');
for (const folder of ['core', 'plugins']) rewrite(join(dist, folder));

function copyReachable(file, seen) {
  if (seen.has(file)) return;
  seen.add(file);
  // Some files import others by the package's own name.
  const text = readFileSync(join(source, file), 'utf8').replaceAll(
    /@tensorflow\/tfjs-core\/dist\/([\w/-]+)/g,
    (_, path) => toImport(relative(dirname(file), path)),
  );
  const target = join(copy, file);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, withoutAbsent(text));
  for (const [, specifier] of text.matchAll(/(?:from|import|import\(|require\()\s*['"](\.[^'"]+)['"]/g)) {
    const path = join(dirname(file), specifier);
    const found = [`${path}.d.ts`, join(path, 'index.d.ts')].find((each) => existsSync(join(source, each)));
    if (found === undefined)
      throw new Error(`${file} of @tensorflow/tfjs-core imports ${specifier}, which is not there`);
    copyReachable(found, seen);
  }
}

function toImport(path) {
  const specifier = path.split(sep).join('/');
  return specifier.startsWith('.') ? specifier : `./${specifier}`;
}

function withoutAbsent(text) {
  return text
    .replaceAll(/^\/\/\/ <reference .*$/gm, '')
    .split(/(\/\*[^]*?\*\/)/)
    .map((part, index) => (index % 2 === 1 ? part : part.replaceAll(ABSENT, 'object')))
    .join('');
}

function rewrite(folder) {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.d\.[cm]?ts$/.test(entry.name)) continue;
    const file = join(entry.parentPath, entry.name);
    const text = readFileSync(file, 'utf8');
    const to = toImport(relative(dirname(file), join(copy, 'index.js')));
    const rewritten = text.replaceAll(/(['"])@tensorflow\/tfjs-core\1/g, `'${to}'`);
    if (rewritten !== text) writeFileSync(file, rewritten);
  }
}
