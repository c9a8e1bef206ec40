import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { tf, type DropoutMask, type KernelRecording, type Mark, type RecordedKernels } from '../../../core/index.js';
import { KernelInputs } from '../../ops/contract.js';
import type { NativeBackend } from './backend.js';
import type { Numbers } from './numbers.js';
import type { Lease } from './pool.js';
import { KernelRecorder, type Call, type KernelTrace, type NotedMark } from './recorder.js';
import { nth, ReplayedCalls, type CalledStep } from './replayed-calls.js';

/** See `Engine.record`. */
export function recordKernels(
  backend: NativeBackend,
  inputs: readonly Tensor[],
  masks: readonly DropoutMask[],
  compute: (mark: Mark) => Tensor[],
  onMark: Mark,
): RecordedKernels {
  backend.computePending();
  const recorder = (backend.recorder = new KernelRecorder());
  try {
    const outputs = compute((what, complete) => {
      if (complete !== undefined) backend.computePending([complete]);
      recorder.mark(what, complete);
      backend.recorder = undefined;
      onMark(what, complete);
      backend.recorder = recorder;
    });
    backend.computePending(outputs);
    const trace = recorder.finish(inputs, masks, outputs);
    return { outputs, recording: trace === undefined ? undefined : new ReplayedKernels(backend, trace) };
  } finally {
    backend.recorder = undefined;
  }
}

/**
 * Recorded kernels. The first replay calls the kernels, in memory that stays reserved for them; later replays repeat
 * only their calls of the addon.
 */
class ReplayedKernels implements KernelRecording {
  readonly #trace: KernelTrace;
  readonly #steps: readonly Step[];
  /** Marks after the last call. */
  readonly #lastMarks: readonly NotedMark[];
  /** Data that the kernels read but neither make nor receive as inputs. */
  readonly #others: ReadonlySet<object>;
  readonly #names: ReadonlySet<string>;
  /** All other data; what a run leaves of it is no longer needed. */
  readonly #own: readonly object[];
  /** Data of the outputs. */
  readonly #outputs: ReadonlySet<object>;
  readonly #lease: Lease;
  #calls: ReplayedCalls | undefined;
  /** True while addon calls still have to be recorded. */
  #isCalls: boolean;

  constructor(
    private readonly backend: NativeBackend,
    trace: KernelTrace,
  ) {
    const { calls, marks, constants, inputs, outputs } = (this.#trace = withOwnReferences(trace));
    const made = new Set(idsOf(calls.flatMap((call) => call.made)));
    this.#outputs = new Set(idsOf([...outputs, ...marks.flatMap(({ complete }) => complete ?? [])]));
    this.#steps = stepsOf(this.#trace, made, this.#outputs);
    this.#lastMarks = marks.filter((mark) => mark.calls === calls.length);
    this.#names = new Set(calls.flatMap(({ kernel }) => [...(kernel.parts ?? [kernel.name])]));
    this.#own = [...made, ...constants.keys(), ...idsOf(inputs)];
    const own = new Set(this.#own);
    this.#others = new Set(idsOf(calls.flatMap((call) => call.inputs.all())).filter((dataId) => !own.has(dataId)));
    this.#lease = backend.lease();
    this.#isCalls = calls.every(({ kernel }) => kernel.isMoreThanCalls !== true);
  }

  run(numbers: readonly Numbers[], masks: readonly DropoutMask[], onMark: Mark): Tensor[] | undefined {
    const { backend } = this;
    for (const dataId of this.#others) if (!backend.data.has(dataId)) return undefined;
    // If someone watches kernels, they must run as such.
    for (const name of this.#names) if (!backend.isAsRegistered(name)) return undefined;
    return this.#calls?.run(numbers, masks, onMark) ?? this.#runKernels(numbers, masks, onMark);
  }

  end(): void {
    this.#calls = undefined;
    this.#lease.end();
  }

  #runKernels(numbers: readonly Numbers[], masks: readonly DropoutMask[], onMark: Mark): Tensor[] {
    const { backend } = this;
    const { constants, inputs, outputs } = this.#trace;
    const taken = new Map<object, Float32Array>();
    const take = (length: number, dataId: object): Float32Array => {
      if (!this.#outputs.has(dataId)) return this.#lease.take(length);
      const values = backend.take(length, dataId);
      taken.set(dataId, values);
      return values;
    };
    const ofData = (dataId: object): TensorInfo => ({ dataId, shape: [], dtype: 'float32' });
    const takenFor = (dataId: object): Float32Array => backend.floats(ofData(dataId));
    const pass = ({ what, complete }: NotedMark): void => {
      onMark(what, ...(complete === undefined ? [] : backend.adopt([complete], takenFor)));
    };
    const called: CalledStep[] = [];
    try {
      for (const [index, { dataId, dtype }] of inputs.entries())
        backend.data.set(dataId, { values: nth(numbers, index, 'input'), dtype, refCount: 1 });
      for (const [dataId, constant] of constants) backend.data.set(dataId, { ...constant, refCount: 1 });
      for (const { marks, kernel, inputs: given, attributes, mask, made, done } of this.#steps) {
        for (const mark of marks) pass(mark);
        const used = mask === undefined ? undefined : { index: mask, keys: nth(masks, mask, 'mask') };
        const values = used === undefined ? attributes : attributes.with(keysOf(used.keys));
        const run = (): void => {
          backend.again(made, take, () => kernel.compute(given, values, backend));
        };
        const calls = this.#isCalls ? backend.calls(run) : (run(), []);
        called.push({ marks, calls, mask: used });
        for (const dataId of done) {
          this.#lease.giveBack(backend.array(ofData(dataId)));
          backend.disposeData(dataId, true);
        }
      }
      for (const mark of this.#lastMarks) pass(mark);
      called.push({ marks: this.#lastMarks, calls: [], mask: undefined });
      const handedOut = backend.adopt(outputs, takenFor);
      if (this.#isCalls) {
        const sources = { inputs: numbers, others: this.#others, outputs: taken };
        this.#calls = ReplayedCalls.of(backend, outputs, called, sources);
        this.#isCalls = this.#calls !== undefined;
      }
      return handedOut;
    } finally {
      for (const dataId of this.#own) backend.disposeData(dataId, true);
    }
  }
}

/** Replaces the tensors' data by private references, since the recorded tensors may live on. */
function withOwnReferences({ calls, marks, constants, inputs, outputs }: KernelTrace): KernelTrace {
  const made = calls.flatMap((call) => call.made);
  const own = new Map([...idsOf(inputs), ...constants.keys(), ...idsOf(made)].map((dataId) => [dataId, {}]));
  const now = (dataId: object): object => own.get(dataId) ?? dataId;
  const infos = (tensors: readonly TensorInfo[]): TensorInfo[] =>
    tensors.map(({ dataId, shape, dtype }) => ({ dataId: now(dataId), shape, dtype }));
  const standIn = ({ shape, dtype, dataId, id }: Tensor): Tensor => new tf.Tensor(shape, dtype, now(dataId), id);
  return {
    calls: calls.map((call) => {
      const named = call.inputs.named().map(([name, tensor]) => [name, standIn(tensor)] as const);
      return { ...call, inputs: new KernelInputs(Object.fromEntries(named)), made: infos(call.made) };
    }),
    marks: marks.map((mark) => ({ ...mark, complete: mark.complete && infos([mark.complete])[0] })),
    constants: new Map([...constants].map(([dataId, constant]) => [now(dataId), constant])),
    inputs: infos(inputs),
    outputs: infos(outputs),
  };
}

/** A call, with the marks before it and the data that is not needed after it. */
interface Step extends Call {
  readonly marks: readonly NotedMark[];
  readonly done: readonly object[];
}

function stepsOf({ calls, marks }: KernelTrace, made: ReadonlySet<object>, handedOut: ReadonlySet<object>): Step[] {
  const needed = new Set(handedOut);
  return calls
    .map((call, index) => ({ ...call, marks: marks.filter((mark) => mark.calls === index) }))
    .toReversed()
    .map((call) => {
      const ids = new Set(idsOf([...call.inputs.all(), ...call.made]));
      const done = [...ids].filter((dataId) => made.has(dataId) && !needed.has(dataId));
      for (const dataId of done) needed.add(dataId);
      return { ...call, done };
    })
    .toReversed();
}

function idsOf(tensors: readonly TensorInfo[]): object[] {
  return tensors.map(({ dataId }) => dataId);
}

function keysOf({ key0, key1 }: DropoutMask): { key0: number; key1: number } {
  return { key0, key1 };
}
