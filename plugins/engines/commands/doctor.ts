export { doctor as command } from '../shared/engines.js';
