/** For authors of models and of weight formats: those that `init` can name and `checkpoint export` writes. */
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
/** Where adapters of a format's models belong. */
export type { AdapterLayout, AdapterModule } from './adapters/layout.js';
/** Writing text: the choice of a token, and the steps of several texts. */
export { chooseToken, type TokenChoice } from './generation/choose.js';
export { generateSteps, lastOf, type NextLogits } from './generation/steps.js';
/** A layer with LoRA as one matrix. */
export { mergedWeight } from './weights/lora.js';
/** What a model shows of itself while it trains. */
export * from './inspection/inspectable.js';
/** What a batch may have, and what counts in its loss. */
export { checkBatch, countedTargets } from './targets/batch.js';
/** The loss of a batch with weights. */
export { lossParts } from './targets/loss-parts.js';
/** Initial weights, drawn on several threads. */
export { NormalDrawing } from './drawing/draw-normals.js';
/** A model beside the run's own, with weights that are not trained. */
export { openModel, type OpenModel } from './stored/open-model.js';
