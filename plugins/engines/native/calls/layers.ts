import type {
  ActivationArguments,
  DropoutArguments,
  Floats,
  LookupSizes,
  NormSizes,
  Optional,
  RowSizes,
} from './types.js';

/** Operations of a model's layers other than products and attention. See src/layer_calls.cc. */
export interface LayerCalls {
  layerNorm(...call: [...NormSizes, x: Floats, weight: Floats, bias: Optional<Floats>, y: Floats]): void;
  layerNormGradient(
    ...call: [...NormSizes, dy: Floats, x: Floats, weight: Floats, dx: Floats, dWeight: Floats, dBias: Floats]
  ): void;
  rmsNorm(...call: [...NormSizes, x: Floats, weight: Floats, y: Floats]): void;
  rmsNormGradient(...call: [...NormSizes, dy: Floats, x: Floats, weight: Floats, dx: Floats, dWeight: Floats]): void;
  activation(...call: [...ActivationArguments, x: Floats, y: Floats]): void;
  activationGradient(...call: [...ActivationArguments, dy: Floats, x: Floats, dx: Floats]): void;
  /** y = activation(gate) · up. */
  gated(...call: [...ActivationArguments, gate: Floats, up: Floats, y: Floats]): void;
  gatedGradient(
    ...call: [...ActivationArguments, dy: Floats, gate: Floats, up: Floats, dGate: Floats, dUp: Floats]
  ): void;
  embedding(...call: [...LookupSizes, ids: Int32Array, table: Floats, y: Floats]): void;
  embeddingGradient(...call: [...LookupSizes, ids: Int32Array, dy: Floats, gradient: Floats]): void;
  dropout(...call: [size: number, ...DropoutArguments, x: Floats, y: Floats]): void;
  /** Mean [1] over targets that are not -1, of logits [rows, columns]. */
  crossEntropy(...call: [...RowSizes, logits: Floats, targets: Int32Array, logSum: Floats, mean: Floats]): void;
  crossEntropyGradient(
    ...call: [...RowSizes, dy: Floats, logits: Floats, targets: Int32Array, logSum: Floats, gradient: Floats]
  ): void;
  /** Loss [rows] of each row; 0 where the target is -1. */
  tokenCrossEntropy(...call: [...RowSizes, logits: Floats, targets: Int32Array, losses: Floats, logSum: Floats]): void;
  tokenCrossEntropyGradient(
    ...call: [
      ...[...RowSizes, dLosses: Floats, dLogSum: Floats, logits: Floats, targets: Int32Array],
      ...[logSum: Floats, gradient: Floats],
    ]
  ): void;
}
