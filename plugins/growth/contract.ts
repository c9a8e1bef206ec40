export { ModelGrowth } from './models/growth.js';
