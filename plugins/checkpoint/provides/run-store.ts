import type { RunStore } from '../../../core/runs.js';
import { findResumption } from '../resume/resumption.js';
import { DiskFolder } from '../run-folder/folder.js';
import { findCheckpoint } from '../stored/find.js';
import { readCheckpoint } from '../stored/read.js';

/** Runs in folders: with `config.yaml`, a lock, and checkpoints. */
export const provided: RunStore = {
  folder: (place, writes) => new DiskFolder(place, writes),
  resumption: findResumption,
  read: async (from, cwd, warn) => readCheckpoint(await findCheckpoint(from, cwd, warn)),
};
