import type * as tf from '@tensorflow/tfjs-core';

/** The part of tfjs-node's C++ binding that we use. */
export interface Binding {
  readonly TF_Version: string;
  readonly TF_FLOAT: number;
  readonly TF_INT32: number;
  readonly TF_BOOL: number;
  readonly TF_ATTR_TYPE: number;
  readonly TF_ATTR_INT: number;
  readonly TF_ATTR_FLOAT: number;
  readonly TF_ATTR_BOOL: number;
  isUsingGpuDevice(): boolean;
}

/** An attribute of a TensorFlow operation; `type` is one of the binding's TF_ATTR_ constants. */
export interface OpAttribute {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

/** The part of tfjs-node's backend that we use. */
export interface NodeBackend extends tf.KernelBackend {
  readonly binding: Binding;
  executeSingleOutput(op: string, attributes: OpAttribute[], inputs: tf.TensorInfo[]): tf.Tensor;
  executeMultipleOutputs(op: string, attributes: OpAttribute[], inputs: tf.TensorInfo[], count: number): tf.Tensor[];
  loadSavedModelMetaGraph(folder: string, tag: string): number;
  runSavedModel(model: number, inputs: tf.Tensor[], places: { name: string }[], outputs: string[]): tf.Tensor[];
}

/** An executed operation. */
export interface Executed {
  readonly op: string;
  readonly attributes: readonly OpAttribute[];
  readonly inputs: readonly tf.TensorInfo[];
  readonly outputs: readonly tf.Tensor[];
}

/** tfjs-node's backend, extended to record the operations that it executes. */
export interface RecordingBackend extends NodeBackend {
  readonly isRecording: boolean;
  record<T>(seen: (executed: Executed) => void, work: () => T): T;
}

export function recording(
  Base: new (binding: Binding, packageName: string) => NodeBackend,
): new (binding: Binding, packageName: string) => RecordingBackend {
  return class extends Base implements RecordingBackend {
    #seen: ((executed: Executed) => void) | undefined;

    get isRecording(): boolean {
      return this.#seen !== undefined;
    }

    record<T>(seen: (executed: Executed) => void, work: () => T): T {
      this.#seen = seen;
      try {
        return work();
      } finally {
        this.#seen = undefined;
      }
    }

    override executeSingleOutput(op: string, attributes: OpAttribute[], inputs: tf.TensorInfo[]): tf.Tensor {
      const output = super.executeSingleOutput(op, attributes, inputs);
      this.#seen?.({ op, attributes, inputs, outputs: [output] });
      return output;
    }

    override executeMultipleOutputs(
      op: string,
      attributes: OpAttribute[],
      inputs: tf.TensorInfo[],
      count: number,
    ): tf.Tensor[] {
      const outputs = super.executeMultipleOutputs(op, attributes, inputs, count);
      this.#seen?.({ op, attributes, inputs, outputs });
      return outputs;
    }
  };
}
