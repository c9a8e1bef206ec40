import cpu = require('@tensorflow/tfjs-backend-cpu');
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { tf, type DropoutMask, type Mark } from '../../../core/index.js';
import { type Attributes, type CompositeKernel, KernelInputs } from '../../ops/contract.js';
import { UntraceableError, XlaData } from './data.js';
import { Compiler } from './compiler.js';
import { dtypeOf, formOf, isNumbers, isNumberType, KernelCall, type XlaKernel } from './kernel.js';
import { Draft } from './draft.js';
import { maskNumbers } from './kernels/dropout.js';
import type { Client, DeviceBuffer } from './pjrt/client.js';
import { Pending, type Results } from './pending.js';
import { Graph, type ProductPrecision } from './stablehlo/graph.js';
import type { Value } from './stablehlo/program.js';
import { type Trace, Writing } from './writing.js';

/**
 * A backend with tensors on an XLA device. Each kernel is a program, compiled once per combination of input shapes.
 * Kernels without a program run on the host, from the cpu backend it extends, so that every TensorFlow.js operation
 * works.
 */
export class XlaBackend extends cpu.MathBackendCPU {
  readonly compiler: Compiler;
  /** The last recorded pass, which may not have run yet. */
  #pass: Pending | undefined;
  readonly #nothing: Draft;
  /** Program that kernel calls are traced into instead of being run. */
  #writing: Writing | undefined;

  constructor(
    readonly client: Client,
    /** Precision of the operands of matrix products. */
    readonly products: ProductPrecision,
    /** Devices among which recorded passes are divided by the rows of the batch; everything else is on the first. */
    readonly devices = 1,
  ) {
    super();
    this.compiler = new Compiler(client);
    this.#nothing = new Draft(undefined, this.#graph(), []);
  }

  /** Runs a kernel, or traces it into the current program. @returns undefined if the call cannot be compiled */
  run(kernel: XlaKernel, inputs: KernelInputs, attributes: Attributes): Results | undefined {
    if (inputs.all().some(({ dtype }) => !isNumberType(dtype))) return undefined;
    const writing = this.#writing;
    if (writing === undefined) return this.#call(kernel, inputs, attributes);
    const numbers = writing.numbersOf(kernel, attributes, inputs);
    const call = new KernelCall(writing.graph, inputs, attributes, (tensor) => this.#valueOf(tensor), numbers);
    const values = kernel.lower(call);
    if (values === undefined) return undefined;
    const [indices, count = Infinity] = kernel.indexes?.(inputs, attributes) ?? [];
    if (indices !== undefined)
      writing.limits.set(indices.dataId, Math.min(count, writing.limits.get(indices.dataId) ?? count));
    const outputs = [values].flat().map((value) => this.#hold(value));
    return Array.isArray(values) ? outputs : outputs[0];
  }

  /** Starts a pending program, which runs when something needs a result. @returns its results */
  start(draft: Draft, given: readonly (XlaData | DeviceBuffer)[]): TensorInfo[] {
    this.finish();
    this.#pass = new Pending(this, draft, given);
    return this.#pass.results();
  }

  /** Runs the pending program. */
  finish(): void {
    const pass = this.#pass;
    this.#pass = undefined;
    pass?.flush();
  }

  #call(kernel: XlaKernel, inputs: KernelInputs, attributes: Attributes): Results | undefined {
    if (kernel.joins === true && this.#pass?.makes(inputs) === true) return this.#pass.call(kernel, inputs, attributes);
    const alone = new Pending(this, this.#nothing);
    const outputs = alone.call(kernel, inputs, attributes);
    alone.flush();
    return outputs;
  }

  /**
   * Runs a kernel of the cpu backend on the host.
   * @throws UntraceableError while tracing, if an input is not a constant
   */
  onHost(inputs: KernelInputs, compute: () => Results): Results {
    const outputs = compute();
    const given = inputs.all();
    const isView = [outputs].flat().every((output) => given.some(({ dataId }) => dataId === output.dataId));
    if (!isView) for (const { dataId } of given) this.#look(dataId);
    return outputs;
  }

  /** Whether kernel calls are being traced into a program. */
  get isWriting(): boolean {
    return this.#writing !== undefined;
  }

  /** Returns the inputs, with logits (the largest tensor of a pass) in the precision of products. */
  narrowed(inputs: KernelInputs): KernelInputs {
    const logits = inputs.optional('logits');
    if (logits === undefined || this.#writing === undefined) return inputs;
    const narrow = this.#tensor(this.#writing.graph.narrow(this.#valueOf(logits)));
    return new KernelInputs({ ...Object.fromEntries(inputs.named()), logits: narrow });
  }

  /** Returns a composite as one kernel: its operations are traced into one program. */
  lowered({ name, compute }: CompositeKernel): XlaKernel {
    return {
      name,
      varying: maskNumbers,
      lower: (call) =>
        this.#write(new Writing(call.graph, [], call.numbers()), () => {
          const named = call.inputs.named().map(([key]) => [key, this.#tensor(call.get(key))] as const);
          const outputs = compute(new KernelInputs(Object.fromEntries(named)), call.attributes);
          return Array.isArray(outputs) ? outputs.map((output) => this.#valueOf(output)) : this.#valueOf(outputs);
        }),
    };
  }

  /** Traces a function. @returns undefined if its result depends on anything but its inputs, see `Engine.record` */
  trace(
    inputs: readonly Tensor[],
    masks: readonly DropoutMask[],
    compute: (mark: Mark) => Tensor[],
  ): Trace | undefined {
    const given = inputs.map(({ dataId }) => [dataId, this.dataOf(dataId)] as const);
    const [rows = 1] = inputs[0]?.shape ?? [];
    const graph = this.#graph(rows % this.devices === 0 ? this.devices : 1);
    const writing = new Writing(graph, given, undefined, masks);
    const marks: { what: string; complete: Value | undefined }[] = [];
    try {
      const outputs = this.#write(writing, () =>
        compute((what, complete) => {
          marks.push({ what, complete: complete && this.#valueOf(complete) });
        }).map((output) => this.#valueOf(output)),
      );
      const limits = inputs.flatMap(({ dataId }, index) => {
        const limit = writing.limits.get(dataId);
        return limit === undefined ? [] : [[index, limit] as const];
      });
      const others = writing.read.slice(inputs.length);
      return { graph, outputs, marks, others, limits: new Map(limits) };
    } catch (thrown) {
      if (thrown instanceof UntraceableError) return undefined;
      throw thrown;
    }
  }

  /** @throws UntraceableError if a tensor's values are still unknown */
  #write<T>(writing: Writing, work: () => T): T {
    this.#writing = writing;
    tf.engine().startScope('program');
    let result: T;
    try {
      result = work();
    } finally {
      tf.engine().endScope();
      this.#writing = undefined;
    }
    if (writing.held.some((dataId) => this.data.has(dataId)))
      throw new UntraceableError('a tensor is kept that no program has computed');
    return result;
  }

  #valueOf({ dataId, shape }: TensorInfo): Value {
    const data = this.dataOf(dataId);
    if (this.#writing === undefined) throw new Error('no program is being written');
    return this.#writing.graph.reshape(data.value ?? this.#writing.valueOf(dataId, data), shape);
  }

  /** Called when code reads a tensor's values. @throws UntraceableError if the traced program would depend on them */
  #look(dataId: object): void {
    if (this.#writing !== undefined && !this.#writing.made.has(dataId))
      throw new UntraceableError('the elements of a tensor are looked at');
  }

  /** @throws Error for a disposed tensor, or one without numbers */
  dataOf(dataId: object): XlaData {
    const data: unknown = this.data.get(dataId);
    if (data instanceof XlaData) return data;
    throw new Error('a tensor of numbers is needed');
  }

  /** Copies numbers to the device as a vector. */
  upload(numbers: Int32Array | Float32Array): DeviceBuffer {
    return this.client.upload(numbers, dtypeOf(formOf(numbers).type), [numbers.length]);
  }

  /** Returns a new tensor for data. */
  adopt(data: XlaData): TensorInfo & { readonly dataId: object } {
    const dataId = {};
    this.data.set(dataId, data);
    return { dataId, shape: [...data.shape], dtype: data.dtype };
  }

  override write(...[values, shape, dtype]: Parameters<cpu.MathBackendCPU['write']>): object {
    const dataId = super.write(values, shape, dtype);
    this.#put(dataId, values, shape, dtype, 1);
    this.#writing?.made.add(dataId);
    return dataId;
  }

  override move(...[dataId, values, shape, dtype, refCount]: Parameters<cpu.MathBackendCPU['move']>): void {
    super.move(dataId, values, shape, dtype, refCount);
    this.#put(dataId, values, shape, dtype, refCount);
  }

  override readSync(dataId: object): ReturnType<cpu.MathBackendCPU['readSync']> {
    this.#look(dataId);
    return super.readSync(dataId);
  }

  override async read(dataId: object): Promise<ReturnType<cpu.MathBackendCPU['readSync']>> {
    return this.readSync(dataId);
  }

  override disposeData(dataId: object, force?: boolean): boolean {
    const data: unknown = this.data.has(dataId) ? this.data.get(dataId) : undefined;
    const gone = super.disposeData(dataId, force);
    if (gone && data instanceof XlaData) data.free();
    return gone;
  }

  #put(dataId: object, values: unknown, shape: readonly number[], dtype: string, refCount: number): void {
    if (!isNumberType(dtype) || !isNumbers(values)) return;
    const data = XlaData.ofHost(values, dtype, shape);
    data.refCount = refCount;
    this.data.set(dataId, data);
    // While tracing, it becomes a constant of the program.
    if (data.isLarge && !this.isWriting) data.buffer(this);
  }

  #hold(value: Value): TensorInfo {
    const tensor = this.adopt(new XlaData(dtypeOf(value.type), value.shape, value));
    this.#writing?.held.push(tensor.dataId);
    return tensor;
  }

  #graph(devices = 1): Graph {
    return new Graph(this.products, this.client.facts.capability, devices);
  }

  #tensor(value: Value): Tensor {
    return tf.engine().makeTensorFromTensorInfo(this.#hold(value), this);
  }
}
