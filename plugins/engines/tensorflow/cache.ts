import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { cacheFolder } from '../peak/cache-folder.js';

/** Which build of TensorFlow an installed copy is. */
export type Variant = 'cpu' | 'gpu';

/** The packages that were built and tested together; `layout` grows when the files of an installed copy change. */
export const versions = {
  layout: 1,
  tensorflow: '2.21.0',
  tfjsNode: '4.22.0',
  protobuf: '3.21.4',
  headers: '1.9.0',
} as const;

const record = z.object({ layout: z.literal(versions.layout), tensorflow: z.string() });

/** Where `espalier engine install tensorflow` puts a variant. */
export function installFolder(variant: Variant): string {
  return path.join(cacheFolder(), `tensorflow-${variant}`);
}

/** True when the folder holds a whole copy of the layout that this version of espalier reads. */
export function isInstalled(folder: string): boolean {
  try {
    return record.safeParse(JSON.parse(readFileSync(recordFile(folder), 'utf8'))).success;
  } catch {
    return false;
  }
}

/** Last file of an installation: what it was made of. */
export function recordFile(folder: string): string {
  return path.join(folder, 'installed.json');
}
