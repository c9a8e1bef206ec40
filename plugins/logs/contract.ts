/** What a sink of one's own is made of: a file that lines are added to, and that a resume or a rollback cuts back. */
export { AppendFile, type AppendFileOptions } from './files/append-file.js';
/** Counts what a file has of the current iteration, in the checkpoint: a resume keeps that many. */
export { EntryCounts } from './files/entry-counts.js';
/** Cuts a file back to the lines, or the parts, that are kept. */
export { keepLines } from './files/keep-lines.js';
export { keepParts, type FilePart } from './files/keep-parts.js';
