export { launcherAlive } from './launch/launcher-alive.js';
