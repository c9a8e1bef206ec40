import type * as tf from '@tensorflow/tfjs-core';
import protobuf from 'protobufjs';
import type { Executed, NodeBackend, OpAttribute } from './backend.js';

/**
 * The parts of TensorFlow's messages that we write, with their field numbers: saved_model.proto, meta_graph.proto,
 * graph.proto, node_def.proto, attr_value.proto, tensor.proto and tensor_shape.proto of tensorflow/core.
 */
const { root } = protobuf.parse(
  `
syntax = "proto3";
message SavedModel { int64 saved_model_schema_version = 1; repeated MetaGraphDef meta_graphs = 2; }
message MetaGraphDef { MetaInfoDef meta_info_def = 1; GraphDef graph_def = 2; }
message MetaInfoDef { repeated string tags = 4; }
message GraphDef { repeated NodeDef node = 1; VersionDef versions = 4; }
message VersionDef { int32 producer = 1; }
message NodeDef { string name = 1; string op = 2; repeated string input = 3; map<string, AttrValue> attr = 5; }
message AttrValue {
  oneof value {
    bytes s = 2; int64 i = 3; float f = 4; bool b = 5; int32 type = 6;
    TensorShapeProto shape = 7; TensorProto tensor = 8;
  }
}
message TensorProto { int32 dtype = 1; TensorShapeProto tensor_shape = 2; bytes tensor_content = 4; }
message TensorShapeProto { repeated Dim dim = 2; }
message Dim { int64 size = 1; }
`,
  { keepCase: true },
);
const SavedModel = root.lookupType('SavedModel');

/** Tag of the graph in its file. */
export const TAG = 'serve';

const PRODUCER = 1087; // of TensorFlow 2.9, the oldest that we load
// From types.proto.
const DATA_TYPES: Readonly<Record<string, number>> = { float32: 1, int32: 3, bool: 10 };

/** Not compiled: XLA's products on CPUs are slower than oneDNN's. */
const PRODUCTS = new Set(['MatMul', 'BatchMatMulV2']);

/** A TensorFlow graph, built from operations as they were executed. */
export class Graph {
  readonly #nodes: object[] = [];
  readonly #names = new Map<tf.DataId, string>();

  constructor(private readonly backend: Pick<NodeBackend, 'binding' | 'readSync'>) {}

  /** Adds an input, which each run supplies. Returns its name. */
  input(tensor: tf.Tensor): string {
    const shape = { shape: shapeOf(tensor.shape) };
    return this.#source('Placeholder', tensor, { dtype: { type: dataType(tensor.dtype) }, shape });
  }

  /** Adds an operation; operands that are neither inputs nor outputs of operations become constants. */
  add({ op, attributes, inputs, outputs }: Executed): void {
    const attr = Object.fromEntries(attributes.map((attribute) => [attribute.name, this.#attribute(attribute)]));
    const name = `${op}${String(this.#nodes.length)}`;
    const input = inputs.map((tensor) => this.#names.get(tensor.dataId) ?? this.#constant(tensor));
    // XLA compiles neighbouring operations with this attribute together.
    const compiled = PRODUCTS.has(op) ? {} : { _XlaCompile: { b: true }, _XlaScope: { s: Buffer.from('all') } };
    this.#nodes.push({ name, op, input, attr: { ...attr, ...compiled } });
    for (const [index, { dataId }] of outputs.entries()) this.#names.set(dataId, `${name}:${String(index)}`);
  }

  /** @throws Error if no operation produced it */
  nameOf({ dataId }: tf.Tensor): string {
    const name = this.#names.get(dataId);
    if (name === undefined) throw new Error('no operation of TensorFlow made this output');
    return name;
  }

  /** Returns the contents of a `saved_model.pb`. */
  encode(): Uint8Array {
    const graph = { node: this.#nodes, versions: { producer: PRODUCER } };
    const meta_graphs = [{ meta_info_def: { tags: [TAG] }, graph_def: graph }];
    return SavedModel.encode(SavedModel.create({ saved_model_schema_version: 1, meta_graphs })).finish();
  }

  #constant(tensor: tf.TensorInfo): string {
    const dtype = dataType(tensor.dtype);
    const values = this.backend.readSync(tensor.dataId);
    if (Array.isArray(values)) throw new Error('graphs take no constants of strings');
    const tensor_content = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    const value = { tensor: { dtype, tensor_shape: shapeOf(tensor.shape), tensor_content } };
    return this.#source('Const', tensor, { dtype: { type: dtype }, value });
  }

  #source(op: string, tensor: tf.TensorInfo, attr: object): string {
    const name = `${op}${String(this.#nodes.length)}`;
    this.#nodes.push({ name, op, attr });
    this.#names.set(tensor.dataId, `${name}:0`);
    return `${name}:0`;
  }

  #attribute({ name, type, value }: OpAttribute): object {
    const { binding } = this.backend;
    if (type === binding.TF_ATTR_BOOL) return { b: value };
    if (type === binding.TF_ATTR_INT) return { i: value };
    if (type === binding.TF_ATTR_FLOAT) return { f: value };
    if (type === binding.TF_ATTR_TYPE && value === binding.TF_FLOAT) return { type: dataType('float32') };
    if (type === binding.TF_ATTR_TYPE && value === binding.TF_INT32) return { type: dataType('int32') };
    if (type === binding.TF_ATTR_TYPE && value === binding.TF_BOOL) return { type: dataType('bool') };
    throw new Error(`attribute ${name} has a type that graphs do not take`);
  }
}

function dataType(dtype: string): number {
  const type = DATA_TYPES[dtype];
  if (type === undefined) throw new Error(`graphs take no tensors of ${dtype}`);
  return type;
}

function shapeOf(shape: readonly number[]): object {
  return { dim: shape.map((size) => ({ size })) };
}
