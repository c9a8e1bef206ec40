import type { RunFolders } from '../../../core/runs.js';
import { DiskFolder } from '../run-folder/folder.js';
import { NamedFolder } from '../run-folder/named-folder.js';

/** Provides run folders: on disk, with `config.yaml`, a lock and checkpoints; or names only, for runs in memory. */
export const provided: RunFolders = {
  folder: (place, { inMemory, writes }) => (inMemory ? new NamedFolder(place) : new DiskFolder(place, writes)),
};
