import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { keepParts } from '../files/keep-parts.js';
import { isRestart, stepOf } from './messages.js';
import { records } from './records.js';

/** A run's files in a folder that other runs may write to, too: their names end with the run's. */
export class EventFiles {
  constructor(
    private readonly folder: string,
    private readonly run: string,
  ) {}

  /** Where the next file goes: TensorBoard reads them in the order of their names. @param now seconds since 1970 */
  next(now: number): string {
    const last = Math.max(-1, ...this.#all().map(({ stamp }) => stamp));
    const stamp = String(Math.max(Math.floor(now), last + 1)).padStart(10, '0');
    return path.join(this.folder, `events.out.tfevents.${stamp}.${this.run}`);
  }

  remove(): void {
    for (const { file } of this.#all()) rmSync(file);
  }

  /** Takes away the events that are not wanted, by their steps in order, and half a record at the end. */
  keep(wanted: (step: number) => boolean): void {
    for (const { file } of this.#all()) {
      keepParts(file, function* (descriptor) {
        for (const found of records(descriptor)) if (isRestart(found.data) || wanted(stepOf(found.data))) yield found;
      });
    }
  }

  #all(): { file: string; stamp: number }[] {
    return namesIn(this.folder).flatMap((name) => {
      const [, stamp, run] = /^events\.out\.tfevents\.(\d+)\.(.*)$/.exec(name) ?? [];
      return run === this.run ? [{ file: path.join(this.folder, name), stamp: Number(stamp) }] : [];
    });
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
