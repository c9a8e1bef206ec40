import type { RunStore } from '../contracts/run-store.js';
import { UsageError } from '../errors.js';
import { provided } from '../families/provided.js';

/** What keeps runs on disk; undefined if no family does. */
export function findRunStore(): Promise<RunStore | undefined> {
  return provided<RunStore>('run-store', ['folder', 'resumption', 'read']);
}

/** @throws UsageError if no family keeps runs */
export async function runStore(): Promise<RunStore> {
  const store = await findRunStore();
  if (store !== undefined) return store;
  throw new UsageError('ESP_CHECKPOINT_NOT_FOUND', 'no family reads checkpoints here: this installation lacks one');
}
