import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { EspalierError, messageOf, tf } from '../../../core/index.js';
import { type Attributes, type CompositeKernel, type KernelInputs, shapesChange } from '../../ops/contract.js';
import type { RecordingBackend } from './backend.js';
import { Graph, TAG } from './graph.js';

/** Kernels that make several passes over large tensors if their operations are executed one by one. */
const COMPILED = new Set([
  'EspalierActivation',
  'EspalierActivationGrad',
  'EspalierActivationLinear',
  'EspalierActivationLinearInputGrad',
  'EspalierActivationLinearWeightGrad',
  'EspalierGated',
  'EspalierGatedGrad',
  'EspalierRmsNorm',
  'EspalierRmsNormGrad',
  'EspalierQueryKeyNorm',
  'EspalierQueryKeyNormGrad',
  'EspalierLayerNorm',
  'EspalierLayerNormGrad',
  'EspalierCausalAttention',
  'EspalierDocumentAttention',
  'EspalierCausalAttentionGrad',
  'EspalierSoftmaxCrossEntropy',
  'EspalierSoftmaxCrossEntropyGrad',
  'EspalierTokenCrossEntropy',
  'EspalierTokenCrossEntropyGrad',
  'EspalierAdamWUpdate',
]);

/**
 * Compiles composite kernels with XLA, which fuses many operations into one pass: the operations of the first call for
 * each combination of shapes are recorded, and later calls run them as a graph. Whether a call runs compiled depends
 * only on the call, not on earlier ones, so a resumed run gives the same bits.
 */
export function compiler(backend: RecordingBackend): (kernel: CompositeKernel) => CompositeKernel {
  const compiled = new Map<string, Run>();
  return (kernel) => {
    if (!COMPILED.has(kernel.name)) return kernel;
    return {
      name: kernel.name,
      compute: (inputs, attributes) => {
        if (shapesChange() || isRandom(attributes) || backend.isRecording) return kernel.compute(inputs, attributes);
        const signature = signatureOf(kernel, inputs, attributes);
        let run = compiled.get(signature);
        if (run === undefined) compiled.set(signature, (run = compile(backend, kernel, inputs, attributes)));
        return run(inputs.all());
      },
    };
  };
}

type Run = (inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[];

function compile(
  backend: RecordingBackend,
  kernel: CompositeKernel,
  inputs: KernelInputs,
  attributes: Attributes,
): Run {
  const graph = new Graph(backend);
  const places = inputs.all().map((input) => ({ name: graph.input(input) }));
  const [names, isList] = tf.tidy(() => {
    const answer = backend.record(
      (executed) => graph.add(executed),
      () => kernel.compute(inputs, attributes),
    );
    return [[answer].flat().map((output) => graph.nameOf(output)), Array.isArray(answer)];
  });
  const model = load(backend, graph, kernel);
  return (tensors) => {
    const outputs = backend.runSavedModel(model, tensors, places, names);
    const [first] = outputs;
    return isList || first === undefined ? outputs : first;
  };
}

/**
 * Loads a graph; TensorFlow accepts it only from a file.
 * @throws EspalierError if TensorFlow rejects it
 */
function load(backend: RecordingBackend, graph: Graph, kernel: CompositeKernel): number {
  const folder = mkdtempSync(path.join(tmpdir(), 'espalier-graph-'));
  try {
    writeFileSync(path.join(folder, 'saved_model.pb'), graph.encode());
    return backend.loadSavedModelMetaGraph(folder, TAG);
  } catch (error) {
    const way = 'set engine.compile: false to go without';
    throw new EspalierError(
      'ESP_ENGINE',
      `TensorFlow does not take the graph of ${kernel.name}, ${way}: ${messageOf(error)}`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Returns true if a mask is drawn anew for every call. */
function isRandom(attributes: Attributes): boolean {
  return attributes.numbers('rate').some((rate) => rate > 0);
}

/**
 * Identifies the calls that share a graph; includes which inputs are the same tensor, since a graph has one place for
 * it.
 */
function signatureOf(kernel: CompositeKernel, inputs: KernelInputs, attributes: Attributes): string {
  const all = inputs.all();
  const each = inputs.named().map(([name, { dataId, dtype, shape }]) => {
    const first = all.findIndex((other) => other.dataId === dataId);
    return `${name}:${dtype}[${String(shape)}]=${String(first)}`;
  });
  return [kernel.name, String(attributes), ...each].join(' ');
}
