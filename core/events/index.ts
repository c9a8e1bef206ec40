/** The public face `espalier/events`: what a file that declares events needs. It loads nothing else. */
export * from './define.js';
export * from './lifecycle.js';
