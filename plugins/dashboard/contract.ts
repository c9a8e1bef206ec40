export { DEFAULT_HOST, DEFAULT_PORT, portNote } from './server/defaults.js';
export { LineFollower } from './server/follow-lines.js';
export { reportOf } from './server/report.js';
export { serveInWorker } from './server/serve-in-worker.js';
export type { Dashboard } from './server/serve.js';
