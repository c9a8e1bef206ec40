/** Run folders, for commands and dashboards. Loads neither checkpoints nor engines. */

/** Locks: one process at a time uses a run folder. */
export { isInUse, lockFolder, refuseInUse, type LockOptions } from './lock/lock.js';
/** Finding a run. */
export { foldersIn } from './folders/folders-in.js';
export { newestRun } from './folders/newest-run.js';
/** Arguments and options of commands that read a run. */
export { runArgument, withStoredFlags, type StoredFlags } from './arguments/stored.js';
