import { checkpointNames } from '../stored/find.js';
import { commandName } from '../../command-line/contract.js';
import { FailedRun } from '../../../core/errors.js';
import { Ranks, type Run } from '../../../core/index.js';

/**
 * Adds the command that resumes from the last checkpoint to a run's error. Waits for a checkpoint that is being
 * written.
 */
export async function withAdvice(thrown: unknown, run: Run): Promise<unknown> {
  await run.dispose();
  const [last] = await checkpointNames(run.folder.checkpoints);
  const { rank, size } = run.container.resolve(Ranks);
  if (last === undefined || rank > 0) return thrown;
  const command = `${commandName()} ${size > 1 ? `launch -n ${String(size)} ` : ''}train --resume ${run.folder.shown}`;
  return new FailedRun(
    thrown,
    `checkpoint ${last} is the last in ${run.folder.shown}; resume from it with \`${command}\``,
  );
}
