/** For authors of models and weight formats: the formats that `init` reads and `checkpoint export` writes. */
export { huggingFaceGpt2 } from './gpt/format.js';
export { huggingFaceLlama } from './llama/format/format.js';
export { transposed } from './weights/layout.js';
export type {
  BlockSizes,
  Described,
  PlainModel,
  ReadableModel,
  TensorNames,
  WeightFormat,
  WrittenModel,
} from './weights/formats.js';
/** How adapters map to the models of a format. */
export type { AdapterLayout, AdapterModule } from './adapters/layout.js';
/** Text generation: choosing a token, and the steps of several texts. */
export { chooseToken, type TokenChoice } from './generation/choose.js';
export { generateSteps, lastOf, type NextLogits } from './generation/steps.js';
/** A layer's weight with LoRA merged in. */
export { mergedWeight } from './weights/lora.js';
/** Inspection of a model during training. */
export * from './inspection/inspectable.js';
/** Checks of a batch, and its counted targets. */
export { checkBatch, countedTargets } from './targets/batch.js';
/** The loss of a batch with weights or terms. */
export { lossParts } from './targets/loss-parts.js';
/** Drawing of initial weights on several threads. */
export { NormalDrawing } from './drawing/draw-normals.js';
/** A second, untrained model next to the run's own. */
export { openModel, type OpenModel } from './stored/open-model.js';
