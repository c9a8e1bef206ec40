/** Named random streams and their generator. Nothing else is imported here, since worker threads load it. */
export * from './philox.js';
export * from './streams.js';
