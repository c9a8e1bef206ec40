import { engine, Tensor, type TensorInfo } from '@tensorflow/tfjs-core';
import { KernelInputs, type DropoutMask, type KernelRecording } from '../../core/index.js';
import type { NativeBackend } from './backend.js';
import type { Call, KernelTrace } from './recorder.js';

/** Kernels that can be run again. */
export class Recording implements KernelRecording {
  readonly #trace: KernelTrace;
  /** The calls, each with the data that no later one reads. */
  readonly #steps: readonly (Call & { readonly done: readonly object[] })[];
  /** Data that the kernels read, and neither make nor are given. */
  readonly #others: ReadonlySet<object>;
  readonly #names: ReadonlySet<string>;
  /** All other data: what there is of it after a run is no longer needed. */
  readonly #own: readonly object[];

  constructor(
    private readonly backend: NativeBackend,
    trace: KernelTrace,
  ) {
    const { calls, constants, inputs, outputs } = (this.#trace = withOwnReferences(trace));
    const made = new Set(idsOf(calls.flatMap((call) => call.made)));
    this.#steps = withDone(calls, made, outputs);
    this.#names = new Set(calls.map(({ kernel }) => kernel.name));
    this.#own = [...made, ...constants.keys(), ...idsOf(inputs)];
    const own = new Set(this.#own);
    this.#others = new Set(idsOf(calls.flatMap((call) => call.inputs.all())).filter((dataId) => !own.has(dataId)));
  }

  run(numbers: readonly Int32Array[], masks: readonly DropoutMask[], onMark: () => void): Tensor[] | undefined {
    const { backend } = this;
    const { marks, constants, inputs } = this.#trace;
    for (const dataId of this.#others) if (!backend.data.has(dataId)) return undefined;
    // Whoever watches kernels is to see them.
    for (const name of this.#names) if (!backend.isAsRegistered(name)) return undefined;
    try {
      for (const [index, { dataId }] of inputs.entries())
        backend.data.set(dataId, { values: nth(numbers, index, 'input'), dtype: 'int32', refCount: 1 });
      for (const [dataId, constant] of constants) backend.data.set(dataId, { ...constant, refCount: 1 });
      for (const [index, { kernel, inputs: given, attributes, mask, made, done }] of this.#steps.entries()) {
        if (marks.has(index)) onMark();
        const values = mask === undefined ? attributes : attributes.with(keysOf(nth(masks, mask, 'mask')));
        backend.again(made, () => kernel.compute(given, values, backend));
        for (const dataId of done) backend.disposeData(dataId, true);
      }
      if (marks.has(this.#steps.length)) onMark();
      return this.#handOut();
    } finally {
      for (const dataId of this.#own) backend.disposeData(dataId, true);
    }
  }

  /** The outputs as tensors: what they refer to here is written again the next time. */
  #handOut(): Tensor[] {
    const { backend } = this;
    const renamed = new Map<object, object>();
    return this.#trace.outputs.map(({ dataId, shape, dtype }) => {
      const before = renamed.get(dataId);
      if (before !== undefined) backend.incRef(before);
      const to = before ?? backend.rename(dataId);
      renamed.set(dataId, to);
      return engine().makeTensorFromTensorInfo({ dataId: to, shape, dtype }, backend);
    });
  }
}

/** The same among references of its own: the tensors of then may live on, and are let alone. */
function withOwnReferences({ calls, marks, constants, inputs, outputs }: KernelTrace): KernelTrace {
  const made = calls.flatMap((call) => call.made);
  const own = new Map([...idsOf(inputs), ...constants.keys(), ...idsOf(made)].map((dataId) => [dataId, {}]));
  const now = (dataId: object): object => own.get(dataId) ?? dataId;
  const infos = (tensors: readonly TensorInfo[]): TensorInfo[] =>
    tensors.map(({ dataId, shape, dtype }) => ({ dataId: now(dataId), shape, dtype }));
  const standIn = ({ shape, dtype, dataId, id }: Tensor): Tensor => new Tensor(shape, dtype, now(dataId), id);
  return {
    calls: calls.map((call) => {
      const named = call.inputs.named().map(([name, tensor]) => [name, standIn(tensor)] as const);
      return { ...call, inputs: new KernelInputs(Object.fromEntries(named)), made: infos(call.made) };
    }),
    marks,
    constants: new Map([...constants].map(([dataId, constant]) => [now(dataId), constant])),
    inputs: infos(inputs),
    outputs: infos(outputs),
  };
}

function withDone(
  calls: readonly Call[],
  made: ReadonlySet<object>,
  outputs: readonly TensorInfo[],
): (Call & { done: object[] })[] {
  const needed = new Set(idsOf(outputs));
  return calls
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

function nth<T>(list: readonly T[], index: number, what: string): T {
  const element = list[index];
  if (element === undefined) throw new Error(`the recorded kernels need ${what} ${String(index + 1)}`);
  return element;
}
