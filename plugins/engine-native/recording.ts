import { engine, Tensor, type TensorInfo } from '@tensorflow/tfjs-core';
import { KernelInputs, type DropoutMask, type KernelRecording, type Mark } from '../../core/index.js';
import type { NativeBackend } from './backend.js';
import type { Call, KernelTrace, NotedMark } from './recorder.js';

/** Kernels that can be run again. */
export class Recording implements KernelRecording {
  readonly #trace: KernelTrace;
  readonly #steps: readonly Step[];
  /** Those after the last call. */
  readonly #lastMarks: readonly NotedMark[];
  /** Data that the kernels read, and neither make nor are given. */
  readonly #others: ReadonlySet<object>;
  readonly #names: ReadonlySet<string>;
  /** All other data: what there is of it after a run is no longer needed. */
  readonly #own: readonly object[];

  constructor(
    private readonly backend: NativeBackend,
    trace: KernelTrace,
  ) {
    const { calls, marks, constants, inputs } = (this.#trace = withOwnReferences(trace));
    const made = new Set(idsOf(calls.flatMap((call) => call.made)));
    this.#steps = stepsOf(this.#trace, made);
    this.#lastMarks = marks.filter((mark) => mark.calls === calls.length);
    this.#names = new Set(calls.map(({ kernel }) => kernel.name));
    this.#own = [...made, ...constants.keys(), ...idsOf(inputs)];
    const own = new Set(this.#own);
    this.#others = new Set(idsOf(calls.flatMap((call) => call.inputs.all())).filter((dataId) => !own.has(dataId)));
  }

  run(numbers: readonly Int32Array[], masks: readonly DropoutMask[], onMark: Mark): Tensor[] | undefined {
    const { backend } = this;
    const { constants, inputs, outputs } = this.#trace;
    const pass = ({ what, complete }: NotedMark): void => {
      onMark(what, ...(complete === undefined ? [] : this.#handOut([complete])));
    };
    for (const dataId of this.#others) if (!backend.data.has(dataId)) return undefined;
    // Whoever watches kernels is to see them.
    for (const name of this.#names) if (!backend.isAsRegistered(name)) return undefined;
    try {
      for (const [index, { dataId }] of inputs.entries())
        backend.data.set(dataId, { values: nth(numbers, index, 'input'), dtype: 'int32', refCount: 1 });
      for (const [dataId, constant] of constants) backend.data.set(dataId, { ...constant, refCount: 1 });
      for (const { marks, kernel, inputs: given, attributes, mask, made, done } of this.#steps) {
        for (const mark of marks) pass(mark);
        const values = mask === undefined ? attributes : attributes.with(keysOf(nth(masks, mask, 'mask')));
        backend.again(made, () => kernel.compute(given, values, backend));
        for (const dataId of done) backend.disposeData(dataId, true);
      }
      for (const mark of this.#lastMarks) pass(mark);
      return this.#handOut(outputs);
    } finally {
      for (const dataId of this.#own) backend.disposeData(dataId, true);
    }
  }

  /** Data as tensors of their own: what it is referred to by here is written again the next time. */
  #handOut(infos: readonly TensorInfo[]): Tensor[] {
    const { backend } = this;
    const renamed = new Map<object, object>();
    return infos.map(({ dataId, shape, dtype }) => {
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
    marks: marks.map((mark) => ({ ...mark, complete: mark.complete && infos([mark.complete])[0] })),
    constants: new Map([...constants].map(([dataId, constant]) => [now(dataId), constant])),
    inputs: infos(inputs),
    outputs: infos(outputs),
  };
}

/** A call, with what is marked before it, and the data that is not needed after it. */
interface Step extends Call {
  readonly marks: readonly NotedMark[];
  readonly done: readonly object[];
}

function stepsOf({ calls, marks, outputs }: KernelTrace, made: ReadonlySet<object>): Step[] {
  const needed = new Set(idsOf([...outputs, ...marks.flatMap(({ complete }) => complete ?? [])]));
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

function nth<T>(list: readonly T[], index: number, what: string): T {
  const element = list[index];
  if (element === undefined) throw new Error(`the recorded kernels need ${what} ${String(index + 1)}`);
  return element;
}
