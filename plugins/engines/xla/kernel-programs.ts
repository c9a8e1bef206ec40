import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { type Attributes, KernelInputs } from '../../ops/contract.js';
import type { Compiler } from './compiler.js';
import { UntraceableError, type XlaData } from './data.js';
import { elementOf, formOf, KernelCall, type Varying, type XlaKernel } from './kernel.js';
import type { CompiledProgram } from './programs.js';
import type { DeviceBuffer, DeviceFacts } from './pjrt/client.js';
import { Graph, type ProductPrecision } from './stablehlo/graph.js';
import { at, type Value } from './stablehlo/program.js';

export type Results = TensorInfo | TensorInfo[];

/** The part of the backend that kernel calls need. */
export interface Tensors {
  readonly client: Pick<DeviceFacts, 'capability'>;
  readonly products: ProductPrecision;
  readonly compiler: Compiler;
  dataOf(dataId: object): XlaData;
  bufferOf(dataId: object): DeviceBuffer;
  upload(numbers: Int32Array | Float32Array): DeviceBuffer;
  adopt(buffer: DeviceBuffer, form: Pick<XlaData, 'dtype' | 'shape'>): TensorInfo;
  refCount(dataId: object): number;
  incRef(dataId: object): void;
}

/** Runs kernel calls as programs, compiled once per combination of input shapes and attributes. */
export class KernelPrograms {
  /** Programs by call signature; undefined if the call cannot be compiled. */
  readonly #programs = new Map<string, Compiled | undefined>();

  constructor(private readonly backend: Tensors) {}

  /** @returns undefined if the call cannot be compiled */
  run(kernel: XlaKernel, inputs: KernelInputs, attributes: Attributes): Results | undefined {
    const varying = kernel.varying?.(attributes, inputs);
    const replaced = this.#replacedBy(kernel, inputs.all(), attributes);
    const compiled = this.#compiled({ kernel, inputs, attributes, varying, replaced });
    if (compiled === undefined) return undefined;
    const { program, isList } = compiled;
    const { backend } = this;
    const buffers = distinct(inputs.all()).map(({ dataId }) => backend.bufferOf(dataId));
    const numbers = varying && backend.upload(varying.numbers);
    const made = program.run(numbers === undefined ? buffers : [...buffers, numbers]);
    numbers?.destroy();
    const outputs = made.map((buffer, index) => {
      const tensor = replaced[index];
      if (tensor === undefined) return backend.adopt(buffer, at(program.outputs, index));
      backend.dataOf(tensor.dataId).replace(buffer);
      backend.incRef(tensor.dataId);
      return { dataId: tensor.dataId, shape: tensor.shape, dtype: tensor.dtype };
    });
    return isList ? outputs : outputs[0];
  }

  /** Returns for each output the input whose memory it reuses, if no other tensor shares that memory. */
  #replacedBy(kernel: XlaKernel, inputs: readonly Tensor[], attributes: Attributes): readonly (Tensor | undefined)[] {
    return (kernel.replaces?.(inputs.length, attributes) ?? []).map((index) => {
      const tensor = inputs[index];
      const isAlone = (x: Tensor): boolean =>
        this.backend.refCount(x.dataId) === 1 && inputs.filter(({ dataId }) => dataId === x.dataId).length === 1;
      return tensor !== undefined && isAlone(tensor) ? tensor : undefined;
    });
  }

  #compiled(request: Request): Compiled | undefined {
    const signature = this.#signatureOf(request);
    if (!this.#programs.has(signature)) this.#programs.set(signature, this.#compile(request));
    return this.#programs.get(signature);
  }

  #compile({ kernel, inputs, attributes, varying, replaced }: Request): Compiled | undefined {
    const graph = new Graph(this.backend.products, this.backend.client.capability);
    const values = new Map<object, Value>();
    for (const tensor of distinct(inputs.all())) {
      const output = replaced.indexOf(tensor);
      const { shape, dtype } = this.backend.dataOf(tensor.dataId);
      const form = { shape, type: elementOf(dtype) };
      values.set(tensor.dataId, graph.argument(form, output === -1 ? undefined : output));
    }
    const numbers = varying && graph.argument(formOf(varying.numbers));
    const valueOf = ({ dataId, shape }: TensorInfo): Value => {
      const value = values.get(dataId);
      if (value === undefined) throw new Error(`${kernel.name} reads a tensor that is not one of its inputs`);
      return graph.reshape(value, shape);
    };
    try {
      const outputs = kernel.lower(new KernelCall(graph, inputs, attributes, valueOf, numbers));
      if (outputs === undefined) return undefined;
      const list = isValues(outputs) ? outputs : [outputs];
      const program = this.backend.compiler.compile(kernel.name, graph, list);
      return { program, isList: isValues(outputs) };
    } catch (thrown) {
      if (thrown instanceof UntraceableError) return undefined;
      throw thrown;
    }
  }

  /** Returns the key of a call: its inputs' forms, which of them are the same tensor, and which are replaced. */
  #signatureOf({ kernel, inputs, attributes, varying, replaced }: Request): string {
    const all = distinct(inputs.all()).map(({ dataId }): object => dataId);
    const each = inputs.named().map(([key, tensor]) => {
      const { dtype, shape } = this.backend.dataOf(tensor.dataId);
      const place = `${String(all.indexOf(tensor.dataId))}>${String(replaced.indexOf(tensor))}`;
      return `${key}:${dtype}[${shape.join()}][${tensor.shape.join()}]${place}`;
    });
    const left = Object.fromEntries((varying?.instead ?? []).map((attribute) => [attribute, '']));
    return [kernel.name, String(attributes.with(left)), varying?.numbers.length ?? 0, ...each].join(' ');
  }
}

/** A kernel call to run as a program. */
interface Request {
  readonly kernel: XlaKernel;
  readonly inputs: KernelInputs;
  readonly attributes: Attributes;
  readonly varying: Varying | undefined;
  /** For each output, the input whose memory it reuses. */
  readonly replaced: readonly (Tensor | undefined)[];
}

interface Compiled {
  readonly program: CompiledProgram;
  /** Whether the kernel returns a list. */
  readonly isList: boolean;
}

export function isValues(values: Value | readonly Value[]): values is readonly Value[] {
  return Array.isArray(values);
}

/** Returns the tensors without those that share another's data. */
function distinct(tensors: readonly Tensor[]): Tensor[] {
  const seen = new Set<object>();
  return tensors.filter(({ dataId }) => !seen.has(dataId) && seen.add(dataId));
}
