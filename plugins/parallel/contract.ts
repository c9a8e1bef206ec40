/** How ranks agree on requests at a boundary: each sends `said`, and all serve `agreed`. */
export { agreed, said } from './data-parallel/agree.js';
