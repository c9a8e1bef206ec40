import { tf } from '../../../../core/index.js';
import { Attributes, type CompositeKernel, KernelInputs, padLengthsOn, registerOps } from '../../../ops/contract.js';
import { XlaBackend } from '../backend.js';
import type { KernelCall, Kernels, XlaKernel } from '../kernel.js';
import type { Client } from '../pjrt/client.js';
import type { ProductPrecision } from '../stablehlo/graph.js';
import { fusedAttentionKernels } from './cudnn.js';
import { dropoutKernels } from './dropout.js';
import { elementwiseKernels } from './elementwise.js';
import { indexedKernels } from './indexed.js';
import { joinKernels } from './joins.js';
import { moveKernels } from './moves.js';
import { nextAttentionKernels } from './next-attention.js';
import { optimizerKernels } from './optimizer.js';
import { productKernels } from './products.js';
import { reductionKernels } from './reductions.js';
import { rotaryKernels } from './rotary.js';

const kernels = named({
  ...elementwiseKernels,
  ...moveKernels,
  ...joinKernels,
  ...reductionKernels,
  ...indexedKernels,
  ...productKernels,
  ...dropoutKernels,
  ...nextAttentionKernels,
  ...rotaryKernels,
  ...optimizerKernels,
});

/** Composites that some devices have their own kernels for. */
const forms = new Map(named(fusedAttentionKernels).map((kernel) => [kernel.name, kernel]));

/** Operations that `registerOps` composes of others; the cpu backend's kernels would run entirely on the host. */
const COMPOSED = new Set(['Einsum']);

/** Names of the kernels that are compiled, for the types that models use. */
export function xlaKernels(): string[] {
  return kernels.map(({ name }) => name);
}

/**
 * Registers the backend once: our kernels, one program per composite, and the cpu backend's kernels for everything
 * else.
 */
export function registerXlaBackend(name: string, client: Client, products: ProductPrecision, devices = 1): XlaBackend {
  const registered = tf.engine().registryFactory[name];
  if (registered !== undefined) return xlaBackend(tf.findBackend(name));
  const xla = new XlaBackend(client, products, devices);
  tf.registerBackend(name, () => xla);
  padLengthsOn(name);
  const onHost = new Map(tf.getKernelsForBackend('cpu').map((kernel) => [kernel.kernelName, kernel.kernelFunc]));
  const ours = new Map(kernels.map((kernel) => [kernel.name, kernel]));
  for (const kernelName of new Set([...onHost.keys(), ...ours.keys()])) {
    if (COMPOSED.has(kernelName) || (kernelName.startsWith('Espalier') && !ours.has(kernelName))) continue;
    tf.registerKernel({
      kernelName,
      backendName: name,
      kernelFunc: kernelFuncOf(kernelName, ours.get(kernelName), onHost.get(kernelName)),
    });
  }
  registerOps(name, (composite) => compiled(xla, composite, forms.get(composite.name)));
  return xla;
}

function kernelFuncOf(name: string, ours: XlaKernel | undefined, onHost: tf.KernelFunc | undefined): tf.KernelFunc {
  return ({ inputs, attrs, backend }) => {
    const xla = xlaBackend(backend);
    const given = new KernelInputs(inputs);
    const outputs = ours && xla.run(ours, given, new Attributes(attrs ?? {}));
    if (outputs !== undefined) return outputs;
    if (onHost === undefined) throw new Error(`${name} has no form for these inputs`);
    return xla.onHost(given, () => onHost({ inputs, ...(attrs === undefined ? {} : { attrs }), backend: xla }));
  };
}

/**
 * Returns a composite in the device's own form, else as one program if it can be traced; otherwise its operations run one
 * by one.
 */
function compiled(xla: XlaBackend, composite: CompositeKernel, form: XlaKernel | undefined): CompositeKernel {
  const kernel = xla.lowered(composite);
  const either = { ...kernel, lower: (call: KernelCall) => form?.lower(call) ?? kernel.lower(call) };
  return {
    name: composite.name,
    compute: (inputs, attributes) => {
      const outputs = xla.isWriting ? form && xla.run(form, inputs, attributes) : xla.run(either, inputs, attributes);
      if (outputs === undefined) return composite.compute(xla.narrowed(inputs), attributes);
      const tensors = [outputs].flat().map((output) => tf.engine().makeTensorFromTensorInfo(output, xla));
      return Array.isArray(outputs) ? tensors : tensors[0]!;
    },
  };
}

function named(all: Kernels): XlaKernel[] {
  return Object.entries(all).map(([name, kernel]) => ({
    name,
    ...(typeof kernel === 'function' ? { lower: kernel } : kernel),
  }));
}

function xlaBackend(backend: object): XlaBackend {
  if (backend instanceof XlaBackend) return backend;
  throw new Error('the kernels of XLA were called with another backend');
}
