export { doctor as command } from './engines.js';
