type All = readonly Float32Array[];

/** Optimizer steps over all parameters. See src/optimizer_calls.cc. */
export interface OptimizerCalls {
  /** One update of every parameter; outputs may be inputs. */
  adamwStep(
    ...call: [
      ...[learningRate: number, beta1: number, beta2: number, epsilon: number, step: number, gradientScale: number],
      ...[weightDecays: readonly number[], parameters: All, gradients: All, means: All, squares: All],
      ...[newParameters: All, newMeans: All, newSquares: All],
    ]
  ): void;
  globalNorm(tensors: All): number;
}
