import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from '../../../core/errors.js';
import { resolveFrom } from '../../../core/paths.js';
import { foldersIn } from '../../runs/contract.js';

/** A folder with one of these files is a run folder. */
const RUN_FILES = ['events.jsonl', 'metrics.jsonl', 'config.yaml'];

/** A run folder (absolute), and its name as shown. */
export interface FoundRun {
  readonly name: string;
  readonly folder: string;
  /** Whether the user named this run, rather than a folder that contains it. */
  readonly named?: boolean | undefined;
}

/**
 * Finds the runs in the given folders, which may be runs, checkpoints or folders that contain runs; default: all in
 * `runs/`. The run written to last comes first.
 * @throws UsageError when a folder is not a run and contains none
 */
export function findRuns(named: readonly string[], cwd: string): FoundRun[] {
  const found = new Map<string, boolean>();
  for (const name of named.length > 0 ? named : ['runs']) {
    const { folders, isOne } = runsAt(resolveFrom(cwd, name), name);
    for (const folder of folders) found.set(folder, isOne || found.get(folder) === true);
  }
  return [...found]
    .map(([folder, isNamed]) => ({ name: shown(folder, cwd), folder, named: isNamed }))
    .sort((a, b) => lastWritten(b.folder) - lastWritten(a.folder));
}

/** Returns the runs in a folder, and whether it is itself a run or a run's checkpoint. */
function runsAt(folder: string, name: string): { folders: string[]; isOne: boolean } {
  if (isRun(folder)) return { folders: [folder], isOne: true };
  const above = path.dirname(path.dirname(folder));
  if (path.basename(path.dirname(folder)) === 'checkpoints' && isRun(above)) return { folders: [above], isOne: true };
  const below = foldersIn(folder).filter(isRun);
  if (below.length > 0) return { folders: below, isOne: false };
  throw new UsageError(
    'ESP_RUN_NOT_FOUND',
    `there is no run in ${name}${existsSync(folder) ? '' : ', which does not exist'}: give the folder of a run, or train one with espalier train --preset char-small`,
  );
}

function isRun(folder: string): boolean {
  return RUN_FILES.some((file) => existsSync(path.join(folder, file)));
}

function shown(folder: string, cwd: string): string {
  const relative = path.relative(cwd, folder);
  if (relative === '') return path.basename(folder);
  return relative.startsWith('..') ? folder : relative;
}

/** Returns when the run's files were last written, in milliseconds since 1970. */
function lastWritten(folder: string): number {
  return Math.max(
    0,
    ...RUN_FILES.map((file) => statSync(path.join(folder, file), { throwIfNoEntry: false })?.mtimeMs ?? 0),
  );
}
