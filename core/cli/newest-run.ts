import { statSync } from 'node:fs';
import path from 'node:path';
import { Argument } from 'commander';
import { UsageError } from '../errors.js';
import { foldersIn } from '../files/folders-in.js';

/** The argument of commands that read a run; `given ?? newestRun(cwd)` is the folder that it means. */
export function runArgument(): Argument {
  return new Argument('[run]', 'folder of a run, or of one of its checkpoints (default: the newest in runs/)');
}

/**
 * The run in `runs/` whose newest checkpoint was written last; says on standard error which it is.
 * @throws UsageError when no run there has a checkpoint
 */
export function newestRun(cwd: string): string {
  const [newest] = foldersIn(path.join(cwd, 'runs'))
    .map((folder) => ({ run: path.relative(cwd, folder), saved: lastSaved(path.join(folder, 'checkpoints')) }))
    .filter(({ saved }) => saved > 0)
    .sort((a, b) => b.saved - a.saved);
  if (newest === undefined)
    throw new UsageError(
      'ESP_CHECKPOINT_NOT_FOUND',
      `no run in ${path.join(cwd, 'runs')} has a checkpoint: name the folder of a run, or train one with espalier train --preset char-small`,
    );
  console.error(`run: ${newest.run}`);
  return newest.run;
}

/** Milliseconds since 1970; 0 when nothing was saved. */
function lastSaved(checkpoints: string): number {
  const saved = foldersIn(checkpoints).filter((folder) => /^\d/.test(path.basename(folder)));
  return Math.max(0, ...saved.map((folder) => statSync(folder).mtimeMs));
}
