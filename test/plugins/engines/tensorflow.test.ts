import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { tf } from '../../../core/index.js';
import { gelu, withChangingShapes } from '../../../plugins/index.js';
import { installFolder, isInstalled } from '../../../plugins/engines/tensorflow/cache.js';
import TensorflowEngine from '../../../plugins/engines/tensorflow/index.js';
import { linkTogether } from '../../../plugins/engines/tensorflow/wheels.js';
import { assertClose } from '../ops/compare.js';
import { engineNeed, needing } from '../../needs.js';
import { emptyFolder } from '../../e2e/command.js';

const need = await engineNeed('tensorflow');
const run = needing(need).serial;

test.before(async () => {
  if (need.missing !== undefined) return;
  await new TensorflowEngine({ compile: true }, { precision: 'auto' }).setUp();
});

test.serial('the folder follows ESPALIER_CACHE, and an empty one holds no copy', (t) => {
  const before = process.env['ESPALIER_CACHE'];
  const empty = emptyFolder(t);
  process.env['ESPALIER_CACHE'] = empty;
  t.is(installFolder('cpu'), path.join(empty, 'espalier', 'tensorflow-cpu'));
  t.false(isInstalled(installFolder('cpu')));
  if (before === undefined) delete process.env['ESPALIER_CACHE'];
  else process.env['ESPALIER_CACHE'] = before;
});

test('TensorFlow sees every NVIDIA library in one of the folders that it searches', (t) => {
  const nvidia = emptyFolder(t);
  const libraries = { cusolver: 'libcusolver.so.11', cuda_runtime: 'libcudart.so.12', cublas: 'libcublas.so.12' };
  for (const [name, file] of Object.entries(libraries)) {
    mkdirSync(path.join(nvidia, name, 'lib'), { recursive: true });
    writeFileSync(path.join(nvidia, name, 'lib', file), file);
    mkdirSync(path.join(nvidia, name, 'include'));
  }
  mkdirSync(path.join(nvidia, 'cuda_nvcc', 'bin'), { recursive: true });
  for (let times = 0; times < 2; times++) linkTogether(nvidia);
  const searched = path.join(nvidia, 'cuda_runtime', 'lib');
  t.deepEqual(readdirSync(searched).sort(), Object.values(libraries).sort());
  for (const file of readdirSync(searched)) t.is(readFileSync(path.join(searched, file), 'utf8'), file);
});

run('TensorFlow’s backend is registered with espalier’s tfjs-core', (t) => {
  t.is(tf.getBackend(), 'tensorflow');
  t.true(tf.backend() instanceof tf.KernelBackend);
  t.true(tf.add(tf.ones([2]), 1) instanceof tf.Tensor);
});

run('TensorFlow multiplies matrices, transposed or not, in batches or not', (t) => {
  const a = [1, 2, 3, 4, 5, 6];
  const plain = tf.matMul(tf.tensor2d(a, [2, 3]), tf.tensor2d(a, [3, 2]));
  t.deepEqual(valuesOf(plain), [22, 28, 49, 64]);
  const left = tf.matMul(tf.tensor2d(a, [3, 2]), tf.tensor2d(a, [3, 2]), true, false);
  t.deepEqual(valuesOf(left), [35, 44, 44, 56]);
  const right = tf.matMul(tf.tensor2d(a, [2, 3]), tf.tensor2d(a, [2, 3]), false, true);
  t.deepEqual(valuesOf(right), [14, 32, 32, 77]);
  const batched = tf.matMul(tf.tensor3d(a, [3, 1, 2]), tf.tensor3d(a, [3, 1, 2]), false, true);
  t.deepEqual(valuesOf(batched), [5, 25, 61]);
});

run('rows that are scattered to one place add up', (t) => {
  const sums = tf.scatterND(tf.tensor2d([1, 1, 0], [3, 1], 'int32'), tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2]), [3, 2]);
  t.deepEqual(valuesOf(sums), [5, 6, 4, 6, 0, 0]);
});

run('a second run in the process uses the loaded TensorFlow', async (t) => {
  const second = new TensorflowEngine({ threads: 1, compile: true }, { precision: 'f32' });
  await second.setUp();
  t.regex(second.description, /^TensorFlow \d+\.\d+\S*, f32, /);
  t.deepEqual(valuesOf(tf.add(tf.tensor1d([1, 2]), 1)), [2, 3]);
});

run('a second run in the process cannot change the precision', async (t) => {
  const other = new TensorflowEngine({ compile: true }, { precision: 'bf16' });
  await t.throwsAsync(() => other.setUp(), { message: /computes in f32 in this process.* another process for bf16/ });
});

run('kernels are compiled once for each shape, but not while shapes change', (t) => {
  const [x, wider] = [tf.randomNormal([3, 8], 0, 1, 'float32', 1), tf.randomNormal([3, 9], 0, 1, 'float32', 1)];
  const gradient = (of: tf.Tensor): number[] => valuesOf(tf.grad((y: tf.Tensor) => gelu(y))(of));
  const before = graphs();
  t.is(withChangingShapes(() => valuesOf(gelu(x))).length, 24);
  t.is(graphs(), before);
  const first = gradient(x);
  t.is(graphs(), before + 2);
  t.deepEqual(gradient(x), first);
  t.is(graphs(), before + 2);
  gradient(wider);
  t.is(graphs(), before + 4);
});

run('a graph recorded with two inputs being one tensor is not used if they differ', (t) => {
  const kernel = (dy: tf.Tensor, x: tf.Tensor): Float32Array =>
    tf.engine().runKernel<tf.Tensor>('EspalierActivationGrad', { dy, x }, { kind: 'gelu' }).dataSync<'float32'>();
  const [x, dy] = [tf.tensor1d([-1, 0, 1, 2]), tf.tensor1d([4, 3, 2, 1])];
  const slopes = kernel(tf.onesLike(x), x);
  assertClose(kernel(x, x), tf.mul(slopes, x).dataSync<'float32'>(), 'one tensor');
  assertClose(kernel(dy, x), tf.mul(slopes, dy).dataSync<'float32'>(), 'two');
  t.pass();
});

run('graphs leave no files', (t) => {
  const before = process.env['TMPDIR'];
  const folder = emptyFolder(t);
  process.env['TMPDIR'] = folder;
  const loaded = graphs();
  tf.grad((y: tf.Tensor) => gelu(y))(tf.ones([2, 77]));
  t.is(graphs(), loaded + 2);
  t.deepEqual(readdirSync(folder), []);
  if (before === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = before;
});

/** Number of graphs that TensorFlow has loaded. */
function graphs(): number {
  const backend: unknown = tf.backend();
  if (!hasGraphs(backend)) throw new Error('not the tensorflow backend');
  return backend.getNumOfSavedModels();
}

function hasGraphs(backend: unknown): backend is { getNumOfSavedModels(): number } {
  return typeof backend === 'object' && backend !== null && 'getNumOfSavedModels' in backend;
}

function valuesOf(x: tf.Tensor): number[] {
  return [...x.dataSync()];
}
