import type { Tensor } from '@tensorflow/tfjs-core';
import type { DropoutMask, Mark } from '../../../core/index.js';
import type { NativeBackend } from './backend.js';
import type { AddonCall } from './binding.js';
import type { Numbers } from './numbers.js';
import type { KernelTrace, NotedMark } from './recorder.js';

/** A kernel's calls of the addon, with the marks before it; the last entry has only marks. */
export interface CalledStep {
  readonly marks: readonly NotedMark[];
  readonly calls: readonly AddonCall[];
  /** Index of the mask whose keys are among the arguments, and the keys. */
  readonly mask: { readonly index: number; readonly keys: DropoutMask } | undefined;
}

/** Where arguments can come from. */
export interface Sources {
  readonly inputs: readonly Numbers[];
  /** Data that is read, but neither made nor an input. */
  readonly others: Iterable<object>;
  /** Data of the outputs, with their memory. */
  readonly outputs: ReadonlyMap<object, Float32Array>;
}

/** The kernels' calls of the addon, repeated without the kernels, with other arrays substituted. */
export class ReplayedCalls {
  readonly #inputs: readonly Place[][];
  readonly #others: readonly Other[];
  readonly #outputs: ReadonlyMap<object, Output>;
  readonly #masks: readonly MaskPlace[];
  readonly #steps: readonly Step[];

  /** @returns undefined if it cannot be determined where an argument comes from */
  static of(
    backend: NativeBackend,
    handedOut: KernelTrace['outputs'],
    steps: readonly CalledStep[],
    { inputs, others, outputs }: Sources,
  ): ReplayedCalls | undefined {
    const read = new Map([...others].map((dataId): [object, unknown] => [dataId, backend.data.get(dataId).values]));
    const arrays = [...inputs, ...read.values(), ...outputs.values()];
    const masks = steps.map(maskPlacesOf).filter((places) => places !== undefined);
    if (new Set(arrays).size < arrays.length || masks.length < steps.length) return undefined;
    return new ReplayedCalls(backend, handedOut, steps, { inputs, read, outputs, masks: masks.flat() });
  }

  private constructor(
    private readonly backend: NativeBackend,
    private readonly handedOut: KernelTrace['outputs'],
    steps: readonly CalledStep[],
    { inputs, read, outputs, masks }: Found,
  ) {
    const places = placesOf(steps);
    const where = (array: unknown): Place[] => places.get(array) ?? [];
    this.#masks = masks;
    this.#inputs = inputs.map(where);
    this.#others = [...read].map(([dataId, values]) => ({ dataId, values, places: where(values) }));
    this.#outputs = new Map(
      [...outputs].map(([dataId, values]) => [
        dataId,
        { dataId, length: values.length, places: where(values), values: undefined },
      ]),
    );
    const made = new Set<Output>();
    this.#steps = steps.map(({ marks, calls }) => {
      const lists = new Set<unknown>(calls.map(({ args }) => args));
      const isFirst = (output: Output): boolean =>
        !made.has(output) && output.places.some(({ args }) => lists.has(args));
      const makes = [...this.#outputs.values()].filter(isFirst);
      for (const output of makes) made.add(output);
      return { marks, calls, makes };
    });
  }

  /** See `KernelRecording.run`. */
  run(numbers: readonly Numbers[], masks: readonly DropoutMask[], onMark: Mark): Tensor[] {
    const { backend } = this;
    this.#fill(numbers, masks);
    const pass = ({ what, complete }: NotedMark): void => {
      onMark(what, ...(complete === undefined ? [] : backend.adopt([complete], this.#handOver)));
    };
    try {
      for (const { marks, makes, calls } of this.#steps) {
        for (const mark of marks) pass(mark);
        for (const output of makes) {
          output.values = backend.take(output.length, output.dataId);
          put(output.values, output.places);
        }
        for (const { method, args } of calls) Reflect.apply(method, undefined, args);
      }
      return backend.adopt(this.handedOut, this.#handOver);
    } finally {
      for (const output of this.#outputs.values()) {
        if (output.values !== undefined) backend.giveBack(output.values);
        output.values = undefined;
      }
    }
  }

  #fill(numbers: readonly Numbers[], masks: readonly DropoutMask[]): void {
    for (const [index, places] of this.#inputs.entries()) put(nth(numbers, index, 'input'), places);
    for (const other of this.#others) {
      const values: unknown = this.backend.data.get(other.dataId).values;
      if (values !== other.values) put((other.values = values), other.places);
    }
    for (const { args, index, mask } of this.#masks) {
      const { key0, key1 } = nth(masks, mask, 'mask');
      args.splice(index, 2, key0, key1);
    }
  }

  readonly #handOver = (dataId: object): Float32Array => {
    const output = this.#outputs.get(dataId);
    const values = output?.values;
    if (output === undefined || values === undefined) throw new Error('an output of recorded kernels was not made');
    output.values = undefined;
    return values;
  };
}

/** The sources of all arguments. */
interface Found extends Omit<Sources, 'others'> {
  /** The other data, with its arrays. */
  readonly read: ReadonlyMap<object, unknown>;
  readonly masks: readonly MaskPlace[];
}

/** An argument of a call. */
interface Place {
  readonly args: unknown[];
  readonly index: number;
}

/** The first of the two arguments that are a mask's keys. */
interface MaskPlace extends Place {
  readonly mask: number;
}

interface Other {
  readonly dataId: object;
  readonly places: readonly Place[];
  values: unknown;
}

interface Output {
  readonly dataId: object;
  readonly length: number;
  readonly places: readonly Place[];
  values: Float32Array | undefined;
}

interface Step extends Omit<CalledStep, 'mask'> {
  /** Outputs that this step is the first to use. */
  readonly makes: readonly Output[];
}

function placesOf(steps: readonly CalledStep[]): Map<unknown, Place[]> {
  const places = new Map<unknown, Place[]>();
  for (const { args } of steps.flatMap(({ calls }) => calls)) {
    for (const [index, argument] of args.entries()) {
      if (!ArrayBuffer.isView(argument)) continue;
      const known = places.get(argument);
      if (known === undefined) places.set(argument, [{ args, index }]);
      else known.push({ args, index });
    }
  }
  return places;
}

function maskPlacesOf({ calls, mask }: CalledStep): MaskPlace[] | undefined {
  if (mask === undefined) return [];
  const { key0, key1 } = mask.keys;
  const found = calls.flatMap(({ args }) =>
    [...args.keys()]
      .filter((index) => args[index] === key0 && args[index + 1] === key1)
      .map((index) => ({ args, index, mask: mask.index })),
  );
  return found.length === 1 ? found : undefined;
}

function put(array: unknown, places: readonly Place[]): void {
  for (const { args, index } of places) args[index] = array;
}

/** @throws Error if there is no such element */
export function nth<T>(list: readonly T[], index: number, what: string): T {
  const element = list[index];
  if (element === undefined) throw new Error(`the recorded kernels need ${what} ${String(index + 1)}`);
  return element;
}
