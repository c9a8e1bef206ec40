import { closeSync, openSync } from 'node:fs';
import { records, type FoundRecord } from '../../../plugins/logs/tensorboard/records.js';

/** The whole records of a file. */
export function recordsIn(file: string): FoundRecord[] {
  const descriptor = openSync(file, 'r');
  try {
    return [...records(descriptor)];
  } finally {
    closeSync(descriptor);
  }
}
