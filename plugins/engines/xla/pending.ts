import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import type { Attributes, KernelInputs } from '../../ops/contract.js';
import type { Compiler } from './compiler.js';
import { UntraceableError, XlaData } from './data.js';
import type { Addition, Draft } from './draft.js';
import { dtypeOf, elementOf, formOf, KernelCall, type Varying, type XlaKernel } from './kernel.js';
import { type Client, DeviceBuffer } from './pjrt/client.js';
import type { Graph } from './stablehlo/graph.js';
import { at, type Value } from './stablehlo/program.js';

export type Results = TensorInfo | TensorInfo[];

/** The part of the backend that pending programs need. */
interface Tensors {
  readonly client: Client;
  readonly compiler: Compiler;
  dataOf(dataId: object): XlaData;
  upload(numbers: Int32Array | Float32Array): DeviceBuffer;
  adopt(data: XlaData): TensorInfo;
  refCount(dataId: object): number;
  incRef(dataId: object): void;
}

/** Calls that run as one program when something needs a result: one kernel, or a recorded pass and the kernels after it. */
export class Pending {
  #draft: Draft;
  #isDone = false;
  #failure: Error | undefined;
  /** Arguments of the program; buffers that belong to no tensor are freed after it. */
  readonly #given: (XlaData | DeviceBuffer)[] = [];
  readonly #givenAt = new Map<XlaData, number>();
  /** Index of data's current elements among the results. */
  readonly #madeAt = new Map<XlaData, number>();

  /** @param draft a program with these arguments */
  constructor(
    private readonly backend: Tensors,
    draft: Draft,
    given: readonly (XlaData | DeviceBuffer)[] = [],
  ) {
    this.#draft = draft;
    for (const each of given) this.#give(each);
  }

  /** Returns tensors for the results of the draft. */
  results(): TensorInfo[] {
    return this.#draft.made.map((value, index) => this.#promise(value, index));
  }

  /** Returns whether an input is one of its results. */
  makes(inputs: KernelInputs): boolean {
    return inputs.all().some(({ dataId }) => this.backend.dataOf(dataId).waitsFor(this));
  }

  /** Adds a call. @returns undefined if the call cannot be compiled */
  call(kernel: XlaKernel, inputs: KernelInputs, attributes: Attributes): Results | undefined {
    const { backend } = this;
    const all = inputs.all();
    const datas = new Set(all.map(({ dataId }) => backend.dataOf(dataId)));
    for (const data of datas) data.finish(this);
    const fresh = [...datas].filter((data) => !this.#madeAt.has(data) && !this.#givenAt.has(data));
    const varying = kernel.varying?.(attributes, inputs);
    const replaced = this.#replacedBy(kernel, all, attributes);
    const placeOf = (data: XlaData): number =>
      this.#madeAt.get(data) ?? ~(this.#givenAt.get(data) ?? this.#given.length + fresh.indexOf(data));
    const request = { kernel, inputs, attributes, varying, replaced, fresh, placeOf };
    const draft = this.#draft.with(kernel.name, this.#keyOf(request), (graph) => this.#write(graph, request));
    if (draft === undefined) return undefined;
    for (const data of fresh) this.#give(data);
    if (varying !== undefined) this.#give(backend.upload(varying.numbers));
    const first = this.#draft.made.length;
    this.#draft = draft;
    const outputs = draft.made.slice(first).map((value, index) => this.#promise(value, first + index, replaced[index]));
    return draft.isList ? outputs : outputs[0];
  }

  /** Runs the program once. @throws EspalierError with XLA's message, each time it is called */
  flush(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isDone) return;
    this.#isDone = true;
    try {
      this.#run();
    } catch (thrown) {
      if (thrown instanceof Error) this.#failure = thrown;
      throw thrown;
    } finally {
      for (const each of this.#given) {
        if (each instanceof DeviceBuffer) each.destroy();
        else if (each.reader === this) each.reader = undefined;
      }
      for (const held of [this.#givenAt, this.#madeAt]) held.clear();
      this.#given.length = 0;
    }
  }

  #run(): void {
    const { backend } = this;
    const wanted = [...this.#madeAt].filter(([data]) => data.waitsFor(this)).sort(([, one], [, other]) => one - other);
    if (wanted.length === 0) return;
    const replaced = wanted.flatMap(([data], output) => {
      const argument = this.#givenAt.get(data);
      return argument === undefined ? [] : [[argument, output] as const];
    });
    const places = wanted.map(([, place]) => place);
    const program = this.#draft.program(backend.compiler, places, new Map(replaced));
    const given = this.#given.map((each) => (each instanceof DeviceBuffer ? each : each.buffer(backend, this)));
    const made = program.run(given);
    for (const [index, [data]] of wanted.entries()) data.settle(at(made, index));
  }

  #give(each: XlaData | DeviceBuffer): void {
    if (each instanceof XlaData) {
      each.finish(this);
      each.buffer(this.backend, this);
      each.reader ??= this;
      this.#givenAt.set(each, this.#given.length);
    }
    this.#given.push(each);
  }

  /** Returns the tensor of a result. @param tensor an existing tensor to hold it, instead of a new one */
  #promise({ shape, type }: Value, place: number, tensor?: Tensor): TensorInfo {
    const { backend } = this;
    const data = tensor === undefined ? new XlaData(dtypeOf(type), shape) : backend.dataOf(tensor.dataId);
    this.#madeAt.set(data, place);
    data.wait(this);
    if (tensor === undefined) return backend.adopt(data);
    backend.incRef(tensor.dataId);
    return { dataId: tensor.dataId, shape: tensor.shape, dtype: tensor.dtype };
  }

  /** Returns for each output the input whose memory it reuses, if no other tensor shares that memory. */
  #replacedBy(kernel: XlaKernel, inputs: readonly Tensor[], attributes: Attributes): readonly (Tensor | undefined)[] {
    return (kernel.replaces?.(inputs.length, attributes) ?? []).map((index) => {
      const tensor = inputs[index];
      const isAlone = (x: Tensor): boolean =>
        this.backend.refCount(x.dataId) === 1 && inputs.filter(({ dataId }) => dataId === x.dataId).length === 1;
      if (tensor === undefined || !isAlone(tensor)) return undefined;
      const { reader } = this.backend.dataOf(tensor.dataId);
      if (reader !== this) reader?.flush();
      return tensor;
    });
  }

  #write(graph: Graph, { kernel, inputs, attributes, varying, fresh, placeOf }: Request): Addition | undefined {
    for (const { shape, dtype } of fresh) graph.argument({ shape, type: elementOf(dtype) });
    const numbers = varying && graph.argument(formOf(varying.numbers));
    const valueOf = ({ dataId, shape }: TensorInfo): Value => {
      const place = placeOf(this.backend.dataOf(dataId));
      return graph.reshape(place < 0 ? at(graph.arguments, ~place) : at(this.#draft.made, place), shape);
    };
    try {
      const outputs = kernel.lower(new KernelCall(graph, inputs, attributes, valueOf, numbers));
      return outputs && { values: [outputs].flat(), isList: Array.isArray(outputs) };
    } catch (thrown) {
      if (thrown instanceof UntraceableError) return undefined;
      throw thrown;
    }
  }

  /** Returns the key of a call: its inputs' forms, which of them are the same tensor, and which are replaced. */
  #keyOf({ kernel, inputs, attributes, varying, replaced, placeOf }: Request): string {
    const each = inputs.named().map(([key, tensor]) => {
      const data = this.backend.dataOf(tensor.dataId);
      const place = `${String(placeOf(data))}>${String(replaced.indexOf(tensor))}`;
      return `${key}:${data.dtype}[${data.shape.join()}][${tensor.shape.join()}]${place}`;
    });
    const left = Object.fromEntries((varying?.instead ?? []).map((attribute) => [attribute, '']));
    return [kernel.name, String(attributes.with(left)), varying?.numbers.length ?? 0, ...each].join(' ');
  }
}

/** A call to add. */
interface Request {
  readonly kernel: XlaKernel;
  readonly inputs: KernelInputs;
  readonly attributes: Attributes;
  readonly varying: Varying | undefined;
  /** For each output, the input whose memory it reuses. */
  readonly replaced: readonly (Tensor | undefined)[];
  /** Data to pass as new arguments. */
  readonly fresh: readonly XlaData[];
  /** Index of a result, or ~ index of an argument. */
  readonly placeOf: (data: XlaData) => number;
}
