/** Folders of runs, for commands and dashboards: light, it loads neither checkpoints nor engines. */

/** Who has a folder: one process at a time. */
export { isInUse, lockFolder, refuseInUse, type LockOptions } from './lock/lock.js';
/** Finding a run. */
export { foldersIn } from './folders/folders-in.js';
export { newestRun } from './folders/newest-run.js';
/** How commands name a run, and which of its weights they take. */
export { runArgument, withStoredFlags, type StoredFlags } from './arguments/stored.js';
