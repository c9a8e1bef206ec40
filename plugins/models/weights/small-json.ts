import { stat } from 'node:fs/promises';
import { readJsonFile } from '../../files/contract.js';

const MAX_BYTES = 1 << 20;

/** Reads a config of others' beside weights. @throws Error for a file that is not there, not JSON, or over a megabyte */
export async function readSmallJson(file: string): Promise<unknown> {
  if ((await stat(file)).size > MAX_BYTES) throw new Error('it is over a megabyte');
  return readJsonFile(file);
}
