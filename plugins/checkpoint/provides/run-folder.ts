import type { RunFolders } from '../../../core/runs.js';
import { DiskFolder } from '../run-folder/folder.js';

/** Folders with `config.yaml`, a lock, and checkpoints. */
export const provided: RunFolders = { folder: (place, writes) => new DiskFolder(place, writes) };
