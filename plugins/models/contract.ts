export { exportCheckpoint, exportFormats, otherThanExport, type ExportFormat } from './weights/export.js';
export { mergedWeight } from './weights/lora.js';
export { huggingFaceGpt2 } from './weights/pretrained.js';
