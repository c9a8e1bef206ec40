import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { keepParts } from '../files/keep-parts.js';
import { isRestart, stepOf } from './messages.js';
import { records } from './records.js';

/** The event files of a run. Other runs may use the same folder: the names end with the run's name. */
export class EventFiles {
  constructor(
    private readonly folder: string,
    private readonly run: string,
  ) {}

  /**
   * Returns the path for the next file. TensorBoard reads files in the order of their names.
   * @param now seconds since 1970
   */
  next(now: number): string {
    const last = Math.max(-1, ...this.#all().map(({ stamp }) => stamp));
    const stamp = String(Math.max(Math.floor(now), last + 1)).padStart(10, '0');
    return path.join(this.folder, `events.out.tfevents.${stamp}.${this.run}`);
  }

  remove(): void {
    for (const { file } of this.#all()) rmSync(file);
  }

  /**
   * Removes unwanted events, and a partial record at the end.
   * @param wanted called with the step of each event in order
   */
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
