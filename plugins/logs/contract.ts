/** For writing sinks: a file that lines are appended to, and that a resume or a rollback cuts back. */
export { AppendFile, type AppendFileOptions } from './files/append-file.js';
/** Keeps in checkpoints how many entries of the current iteration a file has, so that a resume keeps that many. */
export { EntryCounts } from './files/entry-counts.js';
/** Removes all lines, or parts, of a file except those to keep. */
export { keepLines } from './files/keep-lines.js';
export { keepParts, type FilePart } from './files/keep-parts.js';
