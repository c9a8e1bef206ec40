import type { RunStore } from '../../../core/runs.js';
import { findResumption } from '../resume/resumption.js';
import { DiskFolder } from '../run-folder/folder.js';
import { readFound } from '../stored/find.js';

/** Runs in folders: with `config.yaml`, a lock, and checkpoints. */
export const provided: RunStore = {
  folder: (place, writes) => new DiskFolder(place, writes),
  resumption: findResumption,
  read: async (from, cwd, warn) => readFound(from, cwd, { log: warn, optimizer: false }),
};
