import type { Configs } from './configs.js';
import { UsageError } from '../errors.js';
import { provided } from '../families/provided.js';

/** What composes configs. @throws UsageError if no family does */
export async function configs(): Promise<Configs> {
  const found = await provided<Configs>('configs', ['compose', 'withHints']);
  if (found !== undefined) return found;
  throw new UsageError('ESP_CONFIG_NOT_FOUND', 'no family composes configs here: this installation lacks one');
}
