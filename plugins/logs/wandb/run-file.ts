import { AppendFile } from '../files/append-file.js';
import { FILE_HEADER, framed } from './blocks.js';
import { encodeRecord, type WandbRecord } from './records.js';

/** A part of a record; the number is added when it is written. */
export type RecordPart = Omit<WandbRecord, 'num' | '_info'>;

export interface RunFileOptions {
  readonly runId: string;
  /** Position of the next record, and number of records; both 0 for a new file. */
  readonly position: number;
  readonly records: number;
  readonly onFailure: (line: string) => void;
}

/** Writes `run-ID.wandb`, which has the whole run as records, for `wandb sync` and our own upload. */
export class RunFile {
  readonly #file: AppendFile;
  readonly #runId: string;
  #position: number;
  #records: number;

  constructor(path: string, { runId, position, records, onFailure }: RunFileOptions) {
    this.#file = new AppendFile(path, { onFailure });
    this.#runId = runId;
    this.#position = position;
    this.#records = records;
    if (position === 0 && this.#append(FILE_HEADER)) this.write({ header: {} });
  }

  get path(): string {
    return this.#file.path;
  }

  write(part: RecordPart): void {
    const record = encodeRecord({ num: this.#records + 1, ...part, _info: { stream_id: this.#runId } });
    if (this.#append(framed(record, this.#position))) this.#records++;
  }

  /** Passes everything written to the system. */
  async flush(): Promise<void> {
    await this.#file.flush();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  /** Advances the position only if the file accepted the bytes. */
  #append(bytes: Uint8Array): boolean {
    const taken = this.#file.append(bytes);
    if (taken) this.#position += bytes.length;
    return taken;
  }
}
