import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { retried } from '../../files/contract.js';
import { checkpointNames } from '../stored/find.js';
import { verifyCheckpoint } from '../stored/read.js';

/**
 * Renames checkpoints newer than the one that a run continues from: damaged ones to `NAME.damaged`, for inspection, and
 * others, which a rollback has undone, to `NAME.aside`. Neither counts as a checkpoint of the run afterwards.
 */
export async function setNewerAside(folder: string, source: string, log: (line: string) => void): Promise<void> {
  const names = await checkpointNames(folder);
  for (const name of names.slice(0, Math.max(0, names.indexOf(source)))) {
    const whole = await verifyCheckpoint(path.join(folder, name)).then(
      () => true,
      () => false,
    );
    const aside = `${name}.${whole ? 'aside' : 'damaged'}`;
    await rm(path.join(folder, aside), { recursive: true, force: true });
    await retried(() => rename(path.join(folder, name), path.join(folder, aside)));
    log(`checkpoint ${name} is ${whole ? 'newer than the one the run resumes from' : 'damaged'}: kept as ${aside}`);
  }
}
