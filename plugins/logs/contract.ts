export { AppendFile, type AppendFileOptions } from './files/append-file.js';
export { EntryCounts } from './files/entry-counts.js';
export { keepLines } from './files/keep-lines.js';
export { keepParts, type FilePart } from './files/keep-parts.js';
export { environment } from './run-log/environment.js';
