import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { cacheFolder } from '../peak/cache-folder.js';

/** The build of an installed TensorFlow. */
export type Variant = 'cpu' | 'gpu';

/** Package versions that were tested together; `layout` increases when an installed copy's files change. */
export const versions = {
  layout: 1,
  tensorflow: '2.21.0',
  tfjsNode: '4.22.0',
  protobuf: '3.21.4',
  headers: '1.9.0',
} as const;

const record = z.object({ layout: z.literal(versions.layout), tensorflow: z.string() });

/** Folder into which `espalier engine install tensorflow` installs a variant. */
export function installFolder(variant: Variant): string {
  return path.join(cacheFolder(), `tensorflow-${variant}`);
}

/** Returns true if the folder holds a complete copy in this version's layout. */
export function isInstalled(folder: string): boolean {
  try {
    return record.safeParse(JSON.parse(readFileSync(recordFile(folder), 'utf8'))).success;
  } catch {
    return false;
  }
}

/** The last file written by an installation; it records the versions. */
export function recordFile(folder: string): string {
  return path.join(folder, 'installed.json');
}
