/** Random numbers: streams by name, and the generator behind them. It loads nothing else: threads import it. */
export * from './philox.js';
export * from './streams.js';
