export { engine as command } from './engines.js';
