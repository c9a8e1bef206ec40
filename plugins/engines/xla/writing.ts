import type { DropoutMask } from '../../../core/index.js';
import type { Attributes, KernelInputs } from '../../ops/contract.js';
import { UntraceableError, type XlaData } from './data.js';
import { elementOf, formOf, type XlaKernel } from './kernel.js';
import type { Graph } from './stablehlo/graph.js';
import type { Value } from './stablehlo/program.js';

/** A traced function. */
export interface Trace {
  readonly graph: Graph;
  readonly outputs: readonly Value[];
  /** Calls of `mark`, with the values passed. */
  readonly marks: readonly { readonly what: string; readonly complete: Value | undefined }[];
  /** Data that the program reads besides its inputs: weights. */
  readonly others: readonly object[];
  /** For inputs that are indices, by their place: how many there are to choose from. */
  readonly limits: ReadonlyMap<number, number>;
}

/** A program being traced: receives the kernels that are called meanwhile. */
export class Writing {
  /** Data created while tracing: a constant if only the host has it. */
  readonly made = new Set<object>();
  /** For data that is used as indices, how many there are to choose from. */
  readonly limits = new Map<object, number>();
  /** Data that represents values of the program. */
  readonly held: object[] = [];
  readonly #arguments = new Map<object, Value>();
  readonly #keys: Value | undefined;

  /**
   * @param inputs data that becomes the first arguments
   * @param mask numbers of the only mask
   * @param masks whose keys are the argument after these; undefined where nothing but the inputs may be read
   */
  constructor(
    readonly graph: Graph,
    inputs: readonly (readonly [dataId: object, data: XlaData])[],
    private readonly mask: Value | undefined,
    private readonly masks?: readonly DropoutMask[],
  ) {
    const rows = inputs[0]?.[1].shape[0];
    for (const [dataId, data] of inputs) this.#add(dataId, data, rows !== undefined && data.shape[0] === rows);
    if (masks !== undefined && masks.length > 0)
      this.#keys = graph.argument({ shape: [2 * masks.length], type: 'i32' });
  }

  /** Existing data that the program reads, in the order of its arguments, including the inputs. */
  get read(): object[] {
    return [...this.#arguments.keys()];
  }

  /** @throws UntraceableError if it may not be read */
  valueOf(dataId: object, data: XlaData): Value {
    const known = this.#arguments.get(dataId);
    if (known !== undefined) return known;
    if (this.made.has(dataId) && data.host !== undefined)
      return this.graph.constants(data.host, { shape: data.shape, type: elementOf(data.dtype) });
    if (this.masks === undefined) throw new UntraceableError('a tensor is read that is no input');
    return this.#add(dataId, data);
  }

  /**
   * Returns a call's varying numbers: constants, except a mask's keys.
   * @throws UntraceableError for an unknown mask's keys
   */
  numbersOf(kernel: XlaKernel, attributes: Attributes, inputs: KernelInputs): Value | undefined {
    const numbers = kernel.varying?.(attributes, inputs)?.numbers;
    if (numbers === undefined) return undefined;
    if (this.mask !== undefined && attributes.has('key0')) return this.mask;
    if (this.masks === undefined || !attributes.has('key0')) return this.graph.constants(numbers, formOf(numbers));
    const [key0, key1] = [attributes.number('key0'), attributes.number('key1')];
    const index = this.masks.findIndex((mask) => mask.key0 === key0 && mask.key1 === key1);
    if (this.#keys === undefined || index === -1)
      throw new UntraceableError('a mask is used that is not among those given');
    const rest = numbers.subarray(2);
    const keys = this.graph.part(this.#keys, 0, 2 * index, 2);
    return this.graph.concat([keys, this.graph.constants(rest, formOf(rest))], 0);
  }

  /** @param hasRows whether its first axis is the batch's */
  #add(dataId: object, { shape, dtype }: XlaData, hasRows = false): Value {
    const value = this.graph.argument({ shape, type: elementOf(dtype) }, hasRows);
    this.#arguments.set(dataId, value);
    return value;
  }
}
