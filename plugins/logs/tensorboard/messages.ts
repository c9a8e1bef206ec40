import protobuf from 'protobufjs';
import type { Histogram } from '../../analysis/contract.js';

/**
 * The parts of TensorBoard's messages that are written here, from event.proto, summary.proto, tensor.proto,
 * tensor_shape.proto and types.proto in tensorboard/compat/proto.
 */
const { root } = protobuf.parse(
  `
syntax = "proto3";
message Event {
  double wall_time = 1;
  int64 step = 2;
  oneof what { string file_version = 3; Summary summary = 5; SessionLog session_log = 7; }
  SourceMetadata source_metadata = 10;
}
message SessionLog { int32 status = 1; }
message SourceMetadata { string writer = 1; }
message Summary { repeated Value value = 1; }
message Value {
  string tag = 1;
  oneof value { float simple_value = 2; HistogramProto histo = 5; TensorProto tensor = 8; }
  SummaryMetadata metadata = 9;
}
message SummaryMetadata { PluginData plugin_data = 1; int32 data_class = 4; }
message PluginData { string plugin_name = 1; bytes content = 2; }
message HistogramProto {
  double min = 1; double max = 2; double num = 3; double sum = 4; double sum_squares = 5;
  repeated double bucket_limit = 6 [packed = true];
  repeated double bucket = 7 [packed = true];
}
message TensorProto { int32 dtype = 1; TensorShapeProto tensor_shape = 2; repeated bytes string_val = 8; }
message TensorShapeProto { repeated Dim dim = 2; }
message Dim { int64 size = 1; }
`,
  { keepCase: true },
);
const Event = root.lookupType('Event');

const FILE_VERSION = 'brain.Event:2';
const WRITER = 'espalier';
const SESSION_START = 1;
const DT_STRING = 7;
const DATA_CLASS_TENSOR = 2;

/** Encodes an event. @param at seconds since 1970 */
function event(at: number, content: object): Uint8Array {
  return Event.encode(Event.fromObject({ wall_time: at, ...content })).finish();
}

/** Encodes the first event of a file. */
export function versionEvent(at: number): Uint8Array {
  return event(at, { file_version: FILE_VERSION, source_metadata: { writer: WRITER } });
}

/** Encodes an event that makes an open TensorBoard drop everything from this step on. */
export function restartEvent(at: number, step: number): Uint8Array {
  return event(at, { step, session_log: { status: SESSION_START } });
}

/** Encodes scalars by tag, as 32-bit floats. */
export function scalarsEvent(at: number, step: number, values: Readonly<Record<string, number>>): Uint8Array {
  const value = Object.entries(values).map(([tag, simple_value]) => ({ tag, simple_value }));
  return event(at, { step, summary: { value } });
}

/** Encodes a histogram, whose first bucket begins at the smallest element. */
export function histogramEvent(at: number, { iteration, name, edges, counts, ...sums }: Histogram): Uint8Array {
  const histo = {
    min: edges[0],
    max: edges.at(-1),
    num: counts.reduce((sum, count) => sum + count, 0),
    sum: sums.sum,
    sum_squares: sums.sumOfSquares,
    bucket_limit: edges.slice(1),
    bucket: [...counts],
  };
  return event(at, { step: iteration, summary: { value: [{ tag: name, histo }] } });
}

/** Encodes a text in Markdown. */
export function textEvent(at: number, step: number, tag: string, markdown: string): Uint8Array {
  const value = {
    tag,
    metadata: { plugin_data: { plugin_name: 'text' }, data_class: DATA_CLASS_TENSOR },
    tensor: { dtype: DT_STRING, tensor_shape: {}, string_val: [Buffer.from(markdown)] },
  };
  return event(at, { step, summary: { value: [value] } });
}

/** Returns the step of an encoded event. @throws when it is not an event */
export function stepOf(encoded: Uint8Array): number {
  return Number(Event.toObject(Event.decode(encoded), { longs: Number, defaults: true })['step']);
}

/** Returns whether an event is a `restartEvent`, whose step the run has not reached. */
export function isRestart(encoded: Uint8Array): boolean {
  return Object.hasOwn(Event.toObject(Event.decode(encoded)), 'session_log');
}
