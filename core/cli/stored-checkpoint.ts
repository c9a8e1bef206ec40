import type { Command } from 'commander';
import { findBest, findCheckpoint } from '../checkpoint/find.js';
import { readCheckpoint } from '../checkpoint/read.js';
import { withWeightsOf } from '../checkpoint/weights-of.js';
import type { LoadedCheckpoint } from '../contracts/checkpoint-store.js';

/** Which of a run's weights a command takes. */
export interface StoredFlags {
  readonly best?: boolean | undefined;
  readonly weights?: string | undefined;
}

/** Adds their flags to a command that reads one checkpoint. */
export function withStoredFlags(command: Command): Command {
  return command
    .option('--best', 'the run’s best checkpoint, by validation loss (default: its newest)')
    .option('--weights <plugin>', 'the weights that a plugin kept (default: the model’s own)');
}

/**
 * @param from a checkpoint or a run's folder
 * @throws UsageError where there is none, or none with such weights
 */
export async function readStored(from: string, cwd: string, { best, weights }: StoredFlags): Promise<LoadedCheckpoint> {
  const find = best === true ? findBest : findCheckpoint;
  return withWeightsOf(await readCheckpoint(await find(from, cwd)), weights);
}
