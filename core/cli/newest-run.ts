import { Argument } from 'commander';
import { newestRun as newest } from '../resume/newest-run.js';

/** The argument of commands that read a run; `given ?? newestRun(cwd)` is the folder that it means. */
export function runArgument(): Argument {
  return new Argument('[run]', 'folder of a run, or of one of its checkpoints (default: the newest in runs/)');
}

/** As `resume/newest-run.ts`; says on standard error which it is. */
export function newestRun(cwd: string): string {
  return newest(cwd, console.error);
}
