/** For worker threads, whose work `trace` shows: they import this file, which loads nothing else. */
export { measureInThread } from './threads/thread-spans.js';
