/** Reads the lines that a run appends to a file. */
export { LineFollower } from './server/follow-lines.js';
