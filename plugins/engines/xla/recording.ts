import type { Tensor } from '@tensorflow/tfjs-core';
import {
  EspalierError,
  tf,
  type DropoutMask,
  type KernelRecording,
  type Mark,
  type RecordedKernels,
} from '../../../core/index.js';
import type { XlaBackend } from './backend.js';
import { Draft } from './draft.js';
import type { DeviceBuffer, HostArray } from './pjrt/client.js';
import type { Trace } from './writing.js';

/** See `Engine.record`: traces the function once, without values, into one program. */
export function recordKernels(
  backend: XlaBackend,
  inputs: readonly Tensor[],
  masks: readonly DropoutMask[],
  compute: (mark: Mark) => Tensor[],
  onMark: Mark,
): RecordedKernels {
  const trace = backend.trace(inputs, masks, compute);
  if (trace === undefined) return { outputs: compute(onMark), recording: undefined };
  const recording = new Recording(backend, trace, inputs);
  const numbers = inputs.map(({ dataId }) => backend.dataOf(dataId).values);
  return { outputs: recording.runOn(numbers, masks, onMark), recording };
}

class Recording implements KernelRecording {
  readonly #draft: Draft;
  readonly #shapes: readonly (readonly number[])[];

  constructor(
    private readonly backend: XlaBackend,
    private readonly trace: Trace,
    inputs: readonly Tensor[],
  ) {
    this.#shapes = inputs.map(({ shape }) => shape);
    const subject = { name: 'a pass', rows: inputs[0]?.shape[0], devices: trace.graph.devices };
    this.#draft = new Draft(subject, trace.graph, [
      ...trace.outputs,
      ...trace.marks.flatMap(({ complete }) => complete ?? []),
    ]);
  }

  run(
    numbers: readonly (Int32Array | Float32Array)[],
    masks: readonly DropoutMask[],
    onMark: Mark,
  ): Tensor[] | undefined {
    if (this.trace.others.some((dataId) => !this.backend.data.has(dataId))) return undefined;
    return this.runOn(numbers, masks, onMark);
  }

  /** Marks are reported once the program is pending, with its results. */
  runOn(numbers: readonly HostArray[], masks: readonly DropoutMask[], onMark: Mark): Tensor[] {
    const { backend, trace } = this;
    const given = [...this.#upload(numbers, masks), ...trace.others.map((dataId) => backend.dataOf(dataId))];
    const tensors = backend
      .start(this.#draft, given)
      .map((tensor) => tf.engine().makeTensorFromTensorInfo(tensor, backend));
    const handedOver = tensors.slice(trace.outputs.length).values();
    for (const { what, complete } of trace.marks) {
      if (complete === undefined) onMark(what);
      else onMark(what, handedOver.next().value);
    }
    return tensors.slice(0, trace.outputs.length);
  }

  end(): void {
    this.backend.finish();
    this.#draft.destroy();
  }

  /** The inputs, then the masks' keys. */
  #upload(numbers: readonly HostArray[], masks: readonly DropoutMask[]): DeviceBuffer[] {
    const { client } = this.backend;
    const given = this.#shapes.map((shape, index) => {
      const values = numbers[index];
      if (values === undefined) throw new Error(`the recorded kernels need input ${String(index + 1)}`);
      checkIndices(values, this.trace.limits.get(index));
      const type = values instanceof Int32Array ? 'int32' : 'float32';
      return client.upload(values, type, shape, this.trace.graph.partsOf(index));
    });
    const keys = Int32Array.from(masks.flatMap(({ key0, key1 }) => [key0, key1]));
    return keys.length === 0 ? given : [...given, this.backend.upload(keys)];
  }
}

/** The device cannot report them. @throws EspalierError naming the first index out of range */
function checkIndices(values: HostArray, limit = Infinity): void {
  if (limit === Infinity) return;
  const bad = values.findIndex((value) => value < 0 || value >= limit);
  if (bad === -1) return;
  const [id, most] = [values[bad], limit - 1].map(String);
  throw new EspalierError(
    'ESP_ENGINE',
    `the batch has the id ${id ?? ''}; the model has those from 0 to ${most ?? ''}`,
  );
}
