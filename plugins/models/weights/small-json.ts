import { stat } from 'node:fs/promises';
import { readJsonFile } from '../../files/contract.js';

const MAX_BYTES = 1 << 20;

/**
 * Reads another program's config next to weights. @throws Error if it does not exist, is not JSON, or is over a
 * megabyte
 */
export async function readSmallJson(file: string): Promise<unknown> {
  if ((await stat(file)).size > MAX_BYTES) throw new Error('it is over a megabyte');
  return readJsonFile(file);
}
