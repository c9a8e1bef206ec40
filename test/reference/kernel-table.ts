import { tf } from '../../core/index.js';
import { nativeKernels } from '../../plugins/engines/native/kernels/index.js';
import { xlaKernels } from '../../plugins/engines/xla/kernels/index.js';
import { registerOps } from '../../plugins/ops/contract.js';

/** Kernels that `registerOps` makes of others where an engine has none. */
const COMPOSED = new Set(['Einsum']);

/** Kernels that only give the same memory another shape. */
const VIEWS = new Set(['Identity', 'Reshape', 'ExpandDims']);

/** Of the cpu backend's kernels, those that tfjs-node 4.22.0 lacks: it is not installed where the pages are made. */
const NOT_IN_TENSORFLOW = new Set(
  [
    'BitwiseAnd DenseBincount Draw MaxPoolWithArgmax RaggedGather RaggedRange RaggedTensorToTensor RotateWithOffset',
    'SearchSorted SparseFillEmptyRows SparseReshape SparseSegmentMean SparseSegmentSum StringNGrams StringSplit',
    'StringToHashBucketFast Transform',
  ].flatMap((names) => names.split(' ')),
);

/** Which engine has a kernel of TensorFlow.js in native code, and which has a gradient. */
export async function kernelTable(): Promise<string> {
  await import('@tensorflow/tfjs-backend-wasm');
  const [onCpu, onWasm] = [namesOf('cpu'), namesOf('wasm')];
  registerOps('cpu');
  const [inC, compiled] = [new Set(nativeKernels()), new Set(xlaKernels())];
  const rows = [...onCpu]
    .filter((name) => !name.startsWith('Espalier'))
    .sort()
    .map((name) => ({
      name,
      native: nativeForm(name, inC),
      wasm: onWasm.has(name) ? 'yes' : COMPOSED.has(name) ? 'of others' : '',
      tensorflow: NOT_IN_TENSORFLOW.has(name) ? '' : 'yes',
      xla: VIEWS.has(name) ? 'view' : COMPOSED.has(name) ? 'of others' : compiled.has(name) ? 'yes' : '',
      gradient: hasGradient(name) ? 'yes' : '',
    }));
  const shown = rows.filter(({ native, gradient }) => native !== '' || gradient !== '');
  const others = rows.filter((row) => !shown.includes(row)).map(({ name }) => name);
  return [
    [
      '| Kernel | native | wasm | tensorflow | xla | gradient |',
      '| --- | --- | --- | --- | --- | --- |',
      ...shown.map(
        ({ name, native, wasm, tensorflow, xla, gradient }) =>
          `| \`${name}\` | ${native === '' ? 'JavaScript' : native} | ${wasm} | ${tensorflow} | ${xla} | ${gradient} |`,
      ),
    ].join('\n'),
    `In JavaScript on the native engine, and without a gradient: ${others.map((name) => `\`${name}\``).join(', ')}.`,
  ].join('\n\n');
}

function nativeForm(name: string, inC: ReadonlySet<string>): string {
  if (VIEWS.has(name)) return 'view';
  if (COMPOSED.has(name)) return 'of others';
  return inC.has(name) ? 'C++' : '';
}

function namesOf(backend: string): Set<string> {
  return new Set(tf.getKernelsForBackend(backend).map(({ kernelName }) => kernelName));
}

function hasGradient(name: string): boolean {
  // tfjs types it as always there.
  const gradient: unknown = tf.getGradient(name);
  return gradient !== undefined;
}
