import path from 'node:path';
import { findCheckpoint } from '../plugins/checkpoint/stored/find.js';
import { readCheckpoint } from '../plugins/checkpoint/stored/read.js';

/** The newest checkpoint of a run. */
export function newest(folder: string, dir: string): Promise<string> {
  return findCheckpoint(path.join(folder, dir), folder);
}

/** What the newest checkpoint of a run says, but for what the run is called. */
export async function stateOf(folder: string, dir: string): Promise<unknown> {
  const { state } = await readCheckpoint(await newest(folder, dir));
  return { ...state, config: 'of another folder', given: {} };
}
