/** GPT-2, of the plugin `gpt`. */
export { huggingFaceGpt2 as format } from '../gpt/format.js';
