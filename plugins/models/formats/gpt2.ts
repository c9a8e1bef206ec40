/** GPT-2, for the plugin `gpt`. */
export { huggingFaceGpt2 as format } from '../gpt/format.js';
