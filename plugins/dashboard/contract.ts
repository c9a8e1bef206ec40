/** Reads what is added to a file of lines, while a run writes it. */
export { LineFollower } from './server/follow-lines.js';
