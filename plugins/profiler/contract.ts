/** For worker threads, whose work the plugin `trace` shows. Loads nothing else. */
export { measureInThread } from './threads/thread-spans.js';
