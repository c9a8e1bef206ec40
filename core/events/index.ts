/** The public face `espalier/events`: declaring events, and the table of those of a run. It loads little else. */
export * from './define.js';
export * from './lifecycle.js';
export { EventTable, type DeclaredEvent } from './table.js';
