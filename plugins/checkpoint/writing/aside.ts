import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { retried } from '../../files/contract.js';
import { checkpointNames } from '../stored/find.js';
import { verifyCheckpoint } from '../stored/read.js';

/**
 * Renames what is newer than the checkpoint that a run goes on from: a damaged one is kept for inspection as
 * `NAME.damaged`, a whole one (the run went back on purpose) as `NAME.aside`. Neither is taken for this run's again.
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
