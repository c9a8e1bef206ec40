/** The Llama family, of the plugin `llama`. */
export { huggingFaceLlama as format } from '../llama/format/format.js';
