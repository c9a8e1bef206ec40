/** Random numbers: streams by name, and many normal numbers of one at a time. Threads load it in no time. */
export * from './normals.js';
export * from './streams.js';
