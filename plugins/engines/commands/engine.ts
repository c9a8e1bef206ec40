export { engine as command } from '../shared/engines.js';
