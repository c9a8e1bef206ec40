export { launcherAlive } from './launch/launcher-alive.js';
export { agreed, said } from './data-parallel/agree.js';
