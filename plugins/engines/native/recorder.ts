import type { DataType, Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import type { DropoutMask } from '../../../core/index.js';
import { tf } from '../../../core/index.js';
import { Attributes, KernelInputs } from '../../ops/contract.js';
import type { NativeBackend, NativeKernel } from './backend.js';
import type { KernelNotes } from './kernel.js';
import { isNumbers, type Numbers } from './numbers.js';
import { storedAs, type Program } from './deferred/program.js';
import { neededCalls, withOutputs } from './needed.js';

/** A recorded kernel call. */
export interface Call {
  readonly kernel: NativeKernel;
  readonly inputs: KernelInputs;
  readonly attributes: Attributes;
  /** The tensors that it allocated, in order. */
  readonly made: readonly TensorInfo[];
  /** Set for elementwise operations. */
  readonly program?: Program;
  /** Index of the dropout mask whose keys it uses; undefined for none. */
  readonly mask?: number | undefined;
}

/** Data from outside, such as a scalar. */
export interface Constant {
  readonly values: Numbers;
  readonly dtype: DataType;
}

/** A recorded call of `mark`. */
export interface NotedMark {
  /** Number of kernel calls before it. */
  readonly calls: number;
  readonly what: string;
  readonly complete?: TensorInfo | undefined;
}

/** Everything that a function ran. */
export interface KernelTrace {
  readonly calls: readonly Call[];
  readonly marks: readonly NotedMark[];
  /** By tensor data. */
  readonly constants: ReadonlyMap<object, Constant>;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
}

/** Records the kernels that a backend runs. */
export class KernelRecorder implements KernelNotes<NativeBackend> {
  readonly #calls: Call[] = [];
  readonly #marks: NotedMark[] = [];
  readonly #constants = new Map<object, Constant>();
  #allocated: TensorInfo[] = [];
  #isRepeatable = true;

  allocated(tensor: TensorInfo): void {
    this.#allocated.push(tensor);
  }

  written(dataId: object, values: unknown, dtype: DataType): void {
    if (isNumbers(values)) this.#constants.set(dataId, { values: values.slice(), dtype });
    else this.#isRepeatable = false;
  }

  looked(): void {
    this.#isRepeatable = false;
  }

  ran(
    kernel: NativeKernel,
    inputs: KernelInputs,
    attributes: Attributes,
    outputs: readonly TensorInfo[],
    program?: Program,
  ): void {
    const made = this.#allocated;
    this.#allocated = [];
    // Otherwise it has changed an existing tensor.
    const isNew = outputs.every(({ dataId }) => made.some((tensor) => tensor.dataId === dataId));
    if (!isNew) this.#isRepeatable = false;
    this.#calls.push({ kernel, inputs, attributes, made, ...(program === undefined ? {} : { program }) });
  }

  ranProgram(program: Program): void {
    const inputs = program.inputs.map(({ shape, dtype, dataId }) => new tf.Tensor(shape, dtype, dataId, 0));
    this.ran(
      asKernel(program),
      new KernelInputs(Object.fromEntries(inputs.entries())),
      new Attributes({}),
      program.outputs,
      program,
    );
  }

  /**
   * Records a kernel of the cpu backend, unless it only reshapes an input or makes a constant from its attributes, such
   * as a range: those need not run again.
   */
  ranOnCpu(inputs: KernelInputs, outputs: readonly TensorInfo[]): void {
    const given = new Set<object>(inputs.all().map(({ dataId }) => dataId));
    const isKnown = (dataId: object): boolean => given.has(dataId) || (given.size === 0 && this.#constants.has(dataId));
    if (!outputs.every(({ dataId }) => isKnown(dataId))) this.#isRepeatable = false;
  }

  mark(what: string, complete: TensorInfo | undefined): void {
    this.#marks.push({ calls: this.#calls.length, what, complete });
  }

  /** @returns undefined if running the kernels again would not be equivalent to the function */
  finish(
    inputs: readonly Tensor[],
    masks: readonly DropoutMask[],
    outputs: readonly Tensor[],
  ): KernelTrace | undefined {
    const made = new Set<object>(this.#calls.flatMap((call) => call.made.map(({ dataId }) => dataId)));
    const handedOut = [...outputs, ...this.#marks.flatMap(({ complete }) => complete ?? [])];
    const needed = neededCalls(this.#calls, handedOut, trimmed);
    const calls = needed.calls.map((call) => ({ ...call, mask: maskOf(call, masks) }));
    const isMade = ({ dataId, dtype }: TensorInfo): boolean => made.has(dataId) && dtype === 'float32';
    const isWhole = outputs.every(isMade) && calls.every(({ mask }) => mask !== -1);
    if (!this.#isRepeatable || !isWhole || !this.#letsGo(made, outputs)) return undefined;
    const marks = this.#marks.map((mark) => ({ ...mark, calls: needed.left[mark.calls] ?? calls.length }));
    return { calls, marks, constants: this.#constants, inputs, outputs };
  }

  /** Returns whether handed-over tensors were made here and are not needed afterwards. */
  #letsGo(made: ReadonlySet<object>, outputs: readonly Tensor[]): boolean {
    const gone = new Set<object>();
    return this.#marks.every(({ calls, complete }) => {
      if (complete === undefined) return true;
      const { dataId } = complete;
      if (!made.has(dataId) || gone.has(dataId)) return false;
      gone.add(dataId);
      const later = [...outputs, ...this.#calls.slice(calls).flatMap(({ inputs }) => inputs.all())];
      return later.every((tensor) => tensor.dataId !== dataId);
    });
  }
}

function asKernel({ plan, outputs, kernels }: Program): NativeKernel {
  const shapes = outputs.map(({ shape, dtype }) => [shape, storedAs(dtype)] as const);
  return {
    name: 'Elementwise',
    parts: kernels,
    compute: (inputs, _attributes, backend) => {
      const read = inputs.all().map((tensor) => backend.array(tensor));
      const made = shapes.map(([shape, dtype]) => backend.allocate(shape, dtype));
      backend.binding.elementwise(plan, ...read, ...made.map((tensor) => backend.array(tensor)));
      return made;
    },
  };
}

function trimmed(call: Call, isNeeded: (tensor: TensorInfo) => boolean): Call {
  if (call.program === undefined) return call;
  const program = withOutputs(call.program, isNeeded);
  return { ...call, program, kernel: asKernel(program), made: call.made.filter(isNeeded) };
}

/** Returns -1 if it has keys of an unknown mask. */
function maskOf({ attributes }: Call, masks: readonly DropoutMask[]): number | undefined {
  if (!attributes.has('key0')) return undefined;
  const [key0, key1] = [attributes.number('key0'), attributes.number('key1')];
  return masks.findIndex((mask) => mask.key0 === key0 && mask.key1 === key1);
}
