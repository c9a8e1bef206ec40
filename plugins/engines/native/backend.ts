import type cpu = require('@tensorflow/tfjs-backend-cpu');
import type { DataType, KernelFunc, Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { tf } from '../../../core/index.js';
import { Deferral, DeferredData } from './deferred/deferral.js';
import type { DataNode, Operation } from './deferred/node.js';
import { storedAs, type Program } from './deferred/program.js';
import { noting, type AddonCall, type NativeBinding } from './binding.js';
import { JavaScriptKernels } from './javascript-kernels.js';
import type { Kernel, KernelNotes } from './kernel.js';
import { isNumbers, numbersOf, type NumberType } from './numbers.js';
import { FloatPool, Lease } from './pool.js';
import { ReadableBackend } from './readable-backend.js';

/** A kernel that calls the addon; if it returns undefined, the cpu backend's own kernel serves the call. */
export type NativeKernel = Kernel<NativeBackend>;

/** Allocates memory of a given length for a tensor's data. */
type Take = (length: number, dataId: object) => Float32Array;

/**
 * tfjs's cpu backend with frequent kernels in C++, memory from a pool, and deferred elementwise operations. The cpu
 * backend's own kernels work on the same arrays, so every TensorFlow.js operation is available.
 */
export class NativeBackend extends ReadableBackend {
  readonly #pool: FloatPool;
  /** Output of a kernel, which becomes a tensor's memory without a copy. */
  #output: unknown;
  /** While a kernel is run again: the tensors it should return, and where their memory comes from. */
  #awaited: { readonly tensors: Iterator<TensorInfo, undefined>; readonly take: Take } | undefined;
  /** Set while kernels are recorded. */
  recorder: KernelNotes<NativeBackend> | undefined;
  readonly javaScript = new JavaScriptKernels();
  readonly #kernels = new Map<string, KernelFunc>();
  /** The recorder of each pending elementwise operation. */
  readonly #notes = new WeakMap<DataNode, KernelNotes<NativeBackend>>();
  readonly #deferral: Deferral;
  #binding: NativeBinding;

  /**
   * @param name name to register under
   * @param bf16 round operands of matrix products to bfloat16; sums stay float32
   */
  constructor(
    private readonly name: string,
    private readonly addon: NativeBinding,
    readonly bf16: boolean,
  ) {
    super();
    this.#binding = addon;
    this.#pool = new FloatPool(addon);
    this.#deferral = new Deferral({
      valuesOf: (dataId) => this.data.get(dataId).values,
      tensorsOf: (dataId) => this.data.get(dataId).refCount,
      make: ({ dtype, size, dataId }) => {
        const values = numbersOf(storedAs(dtype), size, (length) => this.#pool.take(length));
        this.#pool.own(values, dataId);
        return values;
      },
      giveBack: (values, dataId) => {
        if (this.#pool.ownerOf(values) === dataId) this.#pool.giveBack(values);
      },
      run: (program, inputs, outputs) => {
        this.#binding.elementwise(program.plan, ...inputs, ...outputs);
        this.#note(program);
      },
    });
  }

  get binding(): NativeBinding {
    return this.#binding;
  }

  /** Runs kernels and returns their calls of the addon. */
  calls(run: () => void): AddonCall[] {
    const calls: AddonCall[] = [];
    this.#binding = noting(this.addon, calls);
    try {
      run();
    } finally {
      this.#binding = this.addon;
    }
    return calls;
  }

  /** Allocates a tensor whose memory is not cleared. */
  allocate(shape: number[], dtype: NumberType = 'float32'): TensorInfo {
    const length = shape.reduce((product, size) => product * size, 1);
    const again = this.#awaited?.tensors.next().value;
    if (this.#awaited !== undefined && again !== undefined) {
      const { take } = this.#awaited;
      const values = numbersOf(dtype, length, (floats) => take(floats, again.dataId));
      this.data.set(again.dataId, { values, dtype, refCount: 1 });
      return again;
    }
    const values = numbersOf(dtype, length, (floats) => this.#pool.take(floats));
    this.#output = values;
    const tensor = this.makeTensorInfo(shape, dtype, values);
    this.#pool.own(values, tensor.dataId);
    this.recorder?.allocated(tensor);
    return tensor;
  }

  /** Returns a tensor as an operand of an elementwise operation; undefined if its memory cannot be read that way. */
  nodeOf(tensor: TensorInfo, size: number): DataNode | undefined {
    return this.#deferral.nodeOf(tensor, size);
  }

  /** Defers an elementwise operation until its result is needed; returns the result. */
  defer(shape: number[], size: number, dtype: DataType, operation: Operation): TensorInfo {
    const data: DeferredData = this.#deferral.defer(shape, size, dtype, operation);
    const { dataId } = data.node;
    this.data.set(dataId, data);
    if (this.recorder !== undefined) this.#notes.set(data.node, this.recorder);
    // Compute at once if someone watches this kernel, so that its time is measured.
    if (!this.isAsRegistered(operation.kernel)) this.#deferral.valuesOf(data.node);
    return { dataId, shape, dtype };
  }

  /** Computes pending elementwise operations: those that these tensors need, or all. */
  computePending(tensors?: readonly TensorInfo[]): void {
    if (tensors === undefined) this.#deferral.computeAll();
    for (const { dataId } of tensors ?? []) {
      const data = this.data.has(dataId) ? this.data.get(dataId) : undefined;
      if (data instanceof DeferredData) this.#deferral.valuesOf(data.node);
    }
  }

  #note(program: Program): void {
    const notes = new Set(program.outputs.map((node) => this.#notes.get(node)));
    for (const recorder of notes) {
      for (const { dataId, shape, dtype } of program.outputs) recorder?.allocated({ dataId, shape, dtype });
      recorder?.ranProgram(program);
      // Recorded and unrecorded operations are mixed.
      if (notes.size > 1) recorder?.looked();
    }
  }

  register(kernelName: string, kernelFunc: KernelFunc): void {
    this.#kernels.set(kernelName, kernelFunc);
    tf.registerKernel({ kernelName, backendName: this.name, kernelFunc });
  }

  /** Returns false if one of our kernels has been wrapped, as a tracer does. */
  isAsRegistered(kernelName: string): boolean {
    return tf.getKernel(kernelName, this.name).kernelFunc === this.#kernels.get(kernelName);
  }

  /** Runs a kernel again; the tensors it allocates are those it made the first time, in memory from `take`. */
  again(made: readonly TensorInfo[], take: Take, run: () => void): void {
    this.#awaited = { tensors: made.values(), take };
    try {
      run();
    } finally {
      this.#awaited = undefined;
    }
  }

  /** Allocates memory for data until `adopt` makes it a tensor's. */
  take(length: number, dataId: object): Float32Array {
    const values = this.#pool.take(length);
    this.#pool.own(values, dataId);
    return values;
  }

  giveBack(values: Float32Array): void {
    this.#pool.giveBack(values);
  }

  lease(): Lease {
    return new Lease(this.#pool);
  }

  /** Makes tensors of allocated memory; data that several share is taken once. */
  adopt(infos: readonly TensorInfo[], takenFor: (dataId: object) => Float32Array): Tensor[] {
    const ids = new Map<object, object>();
    return infos.map(({ dataId, shape }) => {
      const before = ids.get(dataId);
      const to = before ?? {};
      if (before === undefined) {
        const values = takenFor(dataId);
        this.data.set(to, { values, dtype: 'float32', refCount: 1 });
        this.#pool.own(values, to);
        ids.set(dataId, to);
      } else {
        this.incRef(to);
      }
      return tf.engine().makeTensorFromTensorInfo({ dataId: to, shape, dtype: 'float32' }, this);
    });
  }

  /** Copies outside data to the pool's memory, so that kernels can overwrite it. */
  override write(...[values, shape, dtype]: Parameters<cpu.MathBackendCPU['write']>): object {
    const ours = values === this.#output;
    this.#output = undefined;
    if (ours) return super.write(values, shape, dtype);
    const kept = values instanceof Float32Array ? this.#copyOf(values) : values;
    const dataId = super.write(kept, shape, dtype);
    if (kept instanceof Float32Array) this.#pool.own(kept, dataId);
    this.recorder?.written(dataId, values, dtype);
    return dataId;
  }

  /**
   * Returns a tensor in the memory of an array that nothing else may use from now on; a copy if the pool cannot use it.
   */
  takeOver(values: Float32Array, shape: number[]): Tensor {
    if (this.#pool.takeOver(values)) this.#output = values;
    const tensor = tf.tensor(values, shape, 'float32');
    if (this.data.get(tensor.dataId).values === values) this.#pool.own(values, tensor.dataId);
    return tensor;
  }

  #copyOf(values: Float32Array): Float32Array {
    const copy = this.#pool.take(values.length);
    copy.set(values);
    return copy;
  }

  /**
   * Returns a tensor for the new values of `tensor`: itself if no other tensor shares its memory, else a new one. The
   * kernel must read what it needs of an element before writing it.
   */
  replacing(tensor: TensorInfo): TensorInfo {
    const { dataId, shape, dtype } = tensor;
    if (this.#deferral.isRead(dataId)) this.#deferral.computeAll();
    const alone = this.data.get(dataId).refCount === 1 && this.#pool.ownerOf(this.floats(tensor)) === dataId;
    if (!alone) return this.allocate(shape);
    this.incRef(dataId);
    return { dataId, shape, dtype };
  }

  /** Checks the output of a cpu kernel: it may be a view of an input, whose memory must then not be reused. */
  protect(output: TensorInfo): void {
    const data = this.data.get(output.dataId);
    if (data instanceof DeferredData) return;
    const { values } = data;
    if (!ArrayBuffer.isView(values)) return;
    const owner = this.#pool.ownerOf(values);
    if (owner !== undefined && owner !== output.dataId) this.#pool.abandon(values);
  }

  /** Returns a copy, because the memory of a disposed tensor is reused. */
  override readSync(dataId: object): ReturnType<cpu.MathBackendCPU['readSync']> {
    this.recorder?.looked();
    const values = super.readSync(dataId);
    return isNumbers(values) && this.#pool.ownerOf(values) !== undefined ? values.slice() : values;
  }

  override async read(dataId: object): Promise<ReturnType<cpu.MathBackendCPU['readSync']>> {
    return this.readSync(dataId);
  }

  override disposeData(dataId: object, force?: boolean): boolean {
    const data = this.data.has(dataId) ? this.data.get(dataId) : undefined;
    const gone = super.disposeData(dataId, force);
    if (!gone || data === undefined) return gone;
    const values: unknown = data instanceof DeferredData ? data.node.values : data.values;
    const numbers = isNumbers(values) ? values : undefined;
    const isKept = this.#deferral.disposed(dataId, numbers);
    if (!isKept && numbers !== undefined && this.#pool.ownerOf(numbers) === dataId) this.#pool.giveBack(numbers);
    return gone;
  }
}
