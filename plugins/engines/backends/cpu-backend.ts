import { createRequire } from 'node:module';
import { tf } from '../../../core/index.js';

/** Not an import: few of those who read this family's contract make an engine. */
const load: (name: '@tensorflow/tfjs-backend-cpu') => unknown = createRequire(import.meta.url);

/** Registers the backend `cpu` of TensorFlow.js, in plain JavaScript, with all its kernels: a start for an engine. */
export function registerCpuBackend(): void {
  // Else the backend prints an advertisement on its first use.
  tf.env().set('PROD', true);
  load('@tensorflow/tfjs-backend-cpu');
}
