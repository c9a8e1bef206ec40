/** How ranks agree on what was asked for at a boundary: each sends `said`, and all serve `agreed`. */
export { agreed, said } from './data-parallel/agree.js';
