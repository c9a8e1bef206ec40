/** The Llama family, for the plugin `llama`. */
export { huggingFaceLlama as format } from '../llama/format/format.js';
