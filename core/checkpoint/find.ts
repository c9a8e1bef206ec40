import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { messageOf, UsageError } from '../errors.js';
import { verifyCheckpoint } from './read.js';

/**
 * The checkpoint to read for a path: the folder itself where it is a checkpoint, else the newest whole one
 * of the run in that folder.
 * @param log told of damaged ones that were passed over
 * @throws UsageError when there is none
 */
export async function findCheckpoint(
  from: string,
  cwd: string,
  log: (line: string) => void = () => undefined,
): Promise<string> {
  const folder = path.resolve(cwd, from);
  if (existsSync(path.join(folder, 'manifest.json'))) return folder;
  const names = await checkpointNames(path.join(folder, 'checkpoints'));
  const tried: string[] = [];
  for (const name of names) {
    const candidate = path.join(folder, 'checkpoints', name);
    try {
      await verifyCheckpoint(candidate);
      return candidate;
    } catch (thrown) {
      tried.push(messageOf(thrown));
      log(`${messageOf(thrown)} (passed over)`);
    }
  }
  const found =
    tried.length === 0 ? 'there is no checkpoint there' : `none of its checkpoints can be read: ${tried.join('; ')}`;
  throw new UsageError(
    'ESP_CHECKPOINT_NOT_FOUND',
    `${from}: ${found}; name the folder of a run (runs/NAME) or of a checkpoint`,
  );
}

/** Newest first: what `latest` names, then by iteration. */
async function checkpointNames(folder: string): Promise<string[]> {
  if (!existsSync(folder)) return [];
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isDirectory() && /^\d+(-emergency)?$/.test(entry.name))
    .map(({ name }) => name)
    .sort((a, b) => parseInt(b, 10) - parseInt(a, 10) || a.length - b.length);
  const latest = existsSync(path.join(folder, 'latest'))
    ? (await readFile(path.join(folder, 'latest'), 'utf8')).trim()
    : '';
  return names.includes(latest) ? [latest, ...names.filter((name) => name !== latest)] : names;
}
