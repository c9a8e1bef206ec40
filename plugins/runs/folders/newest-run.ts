import { statSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from '../../../core/errors.js';
import { foldersIn } from './folders-in.js';

/**
 * Returns the run in `runs/` that saved a checkpoint last.
 * @param say called with a line that names the run
 * @throws UsageError when no run there has a checkpoint
 */
export function newestRun(cwd: string, say: (line: string) => void): string {
  const [newest] = foldersIn(path.join(cwd, 'runs'))
    .map((folder) => ({ run: path.relative(cwd, folder), saved: lastSaved(path.join(folder, 'checkpoints')) }))
    .filter(({ saved }) => saved > 0)
    .sort((a, b) => b.saved - a.saved);
  if (newest === undefined)
    throw new UsageError(
      'ESP_CHECKPOINT_NOT_FOUND',
      `no run in ${path.join(cwd, 'runs')} has a checkpoint: give the folder of a run, or train one with espalier train --preset char-small`,
    );
  say(`run: ${newest.run}`);
  return newest.run;
}

/** Returns when a checkpoint was last saved, in milliseconds since 1970; 0 if none was. */
function lastSaved(checkpoints: string): number {
  const saved = foldersIn(checkpoints).filter((folder) => /^\d/.test(path.basename(folder)));
  return Math.max(0, ...saved.map((folder) => statSync(folder).mtimeMs));
}
