import path from 'node:path';
import {
  EspalierError,
  messageOf,
  type CheckpointFailed,
  type CheckpointKind,
  type CheckpointSaved,
  type Logger,
  type RunFolder,
} from '../../../core/index.js';
import type { CheckpointMedium } from '../writing/medium.js';
import type { SnapshotCopy } from '../writing/write.js';
import type { Kept } from './kept.js';
import type { CheckpointOptions } from './options.js';
import type { Pointers } from './pointers.js';

interface WriterParts {
  readonly medium: CheckpointMedium;
  readonly kept: Kept;
  readonly pointers: Pointers;
  readonly folder: RunFolder;
  readonly log: Logger;
  readonly config: Pick<CheckpointOptions, 'keep' | 'on_error'>;
}

interface CheckpointToWrite {
  readonly name: string;
  readonly iteration: number;
  readonly kinds: readonly CheckpointKind[];
  /** How long training paused for the copy, in milliseconds. */
  readonly pauseMs: number;
}

/** Writes checkpoints while training continues, then updates `latest` and `best` and deletes those not to be kept. */
export class BackgroundWriter {
  #writing: Promise<void> = Promise.resolve();
  #saved: CheckpointSaved[] = [];
  #failed: CheckpointFailed[] = [];
  #lastFailure: string | undefined;

  constructor(private readonly parts: WriterParts) {}

  /** Starts a write. The previous one must be done. */
  start(checkpoint: CheckpointToWrite, copy: SnapshotCopy): void {
    this.#writing = this.#write(checkpoint, copy);
  }

  /** Waits for the current write, whether it succeeds or not. */
  async done(): Promise<void> {
    await this.#writing;
  }

  /** Whether writes have ended since `takeResults` was last called. */
  get hasResults(): boolean {
    return this.#saved.length + this.#failed.length > 0;
  }

  /** Removes and returns what has been saved, and what has failed, since the last call. */
  takeResults(): { readonly saved: readonly CheckpointSaved[]; readonly failed: readonly CheckpointFailed[] } {
    const results = { saved: this.#saved, failed: this.#failed };
    [this.#saved, this.#failed] = [[], []];
    return results;
  }

  /** @throws EspalierError when the newest checkpoint could not be written */
  throwFailure(): void {
    if (this.#lastFailure === undefined) return;
    throw new EspalierError('ESP_CHECKPOINT_WRITE', `the newest checkpoint is missing: ${this.#lastFailure}`);
  }

  async #write({ name, iteration, kinds, pauseMs }: CheckpointToWrite, copy: SnapshotCopy): Promise<void> {
    const { medium, kept, folder, log } = this.parts;
    const from = performance.now();
    const shown = path.join(folder.shown, 'checkpoints', name);
    try {
      await medium.write(name, copy);
    } catch (thrown) {
      kept.failed(iteration);
      this.#fail(iteration, messageOf(thrown));
      return;
    }
    kept.written(iteration);
    const writeMs = performance.now() - from;
    this.#lastFailure = undefined;
    const at = path.join(folder.checkpoints, name);
    for (const kind of kinds) this.#saved.push({ iteration, path: at, kind, pauseMs, writeMs });
    log.info(
      `saved ${kinds.join(' and ')} checkpoint ${shown} (training paused for ${pauseMs.toFixed(1)} ms, written in ${writeMs.toFixed(0)} ms)`,
    );
    await this.#rotate(name, shown);
  }

  async #rotate(name: string, shown: string): Promise<void> {
    const { medium, kept, pointers, log, config } = this.parts;
    try {
      await pointers.update(name, kept.best);
      await medium.rotate({ ...config.keep, now: name, keep: kept.names() });
    } catch (thrown) {
      log.warn(
        `${shown} is written, but deleting older ones or updating the files latest and best failed: ${messageOf(thrown)}`,
      );
    }
  }

  #fail(iteration: number, message: string): void {
    const { log, config } = this.parts;
    this.#lastFailure = message;
    this.#failed.push({ iteration, message });
    const next = config.on_error === 'stop' ? 'stopping' : 'training continues, and tries again at the next one';
    log.error(`${message}; earlier checkpoints are intact; ${next}`);
  }
}
