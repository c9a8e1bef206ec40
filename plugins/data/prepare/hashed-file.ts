import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { messageOf, UsageError } from '../../../core/index.js';
import { PARTIAL } from '../shared/meta.js';

/** A file written and hashed under a temporary name, which marks it as incomplete. */
export class HashedFile {
  readonly #hash = createHash('sha256');
  readonly #path: string;
  readonly #descriptor: number;

  /** @throws UsageError when writing fails; so do the other methods */
  constructor(
    folder: string,
    readonly name: string,
  ) {
    this.#path = path.join(folder, name);
    this.#descriptor = this.#toDisk(() => openSync(this.#path + PARTIAL, 'w'));
  }

  write(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#toDisk(() => {
      for (let at = 0; at < bytes.length;) at += writeSync(this.#descriptor, bytes, at);
    });
  }

  /** Flushes and closes the file. @returns its SHA-256 */
  finish(): string {
    this.#toDisk(() => {
      fsyncSync(this.#descriptor);
    });
    closeSync(this.#descriptor);
    return this.#hash.digest('hex');
  }

  /** Closes the file without flushing. */
  abandon(): void {
    closeSync(this.#descriptor);
  }

  #toDisk<T>(work: () => T): T {
    try {
      return work();
    } catch (thrown) {
      throw notWritten(this.#path, thrown);
    }
  }
}

/** Makes the error for a failed write. */
export function notWritten(file: string, thrown: unknown): UsageError {
  const full = thrown instanceof Error && 'code' in thrown && (thrown.code === 'ENOSPC' || thrown.code === 'EDQUOT');
  const what = full
    ? 'the disk is full; make room, or give a folder on another disk with --out'
    : `${messageOf(thrown)}; choose another folder with --out`;
  return new UsageError('ESP_PREPARE_WRITE', `${file} cannot be written: ${what}`, { cause: thrown });
}
