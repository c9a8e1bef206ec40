import { z } from 'zod';
import {
  BatchSource,
  Dataset,
  inject,
  Logger,
  Model,
  On,
  Plugin,
  PluginConfig,
  RandomStreams,
  UsageError,
  type Batch,
  type BatchProgress,
  type BatchShape,
  type Bindings,
  type Rows,
  type Split,
  type TokenReader,
} from '../../../core/index.js';
import { permutation } from '../windows/permutation.js';
import { ReadAhead, type BatchPart } from '../windows/read-ahead.js';
import { readBatch } from '../windows/read-batch.js';
import { prefetchOptions } from '../windows/window-strategy.js';
import { placeOf } from '../windows/windows.js';
import { packDocuments, type Packing } from './packing.js';

const options = z.strictObject(prefetchOptions).meta({ resume: 'fixed' });
const stateSchema = z.strictObject({ rows: z.int().min(0) });

interface Packed {
  readonly reader: TokenReader;
  readonly blockSize: number;
  readonly packing: Packing;
}

@Plugin({
  name: 'batches-documents',
  summary: 'Whole documents, packed into rows; neither attention nor targets cross document boundaries.',
  slot: 'batches',
  config: options,
})
export default class DocumentBatches implements BatchSource {
  static register(bindings: Bindings): void {
    bindings.bind(BatchSource, DocumentBatches);
  }

  /** Rows served to all ranks together. */
  #served = 0;
  readonly #packed = new Map<Split, Packed>();
  #order: { readonly epoch: number; readonly rows: number; readonly at: (index: number) => number } | undefined;

  readonly #ahead: ReadAhead;

  constructor(
    @inject(PluginConfig) { prefetch }: z.output<typeof options>,
    @inject(Dataset) private readonly data: Dataset,
    @inject(Model) private readonly model: Model,
    @inject(RandomStreams) private readonly streams: RandomStreams,
    @inject(Logger) private readonly log: Logger,
  ) {
    this.#ahead = new ReadAhead(prefetch, (first, part) => this.#rowsFrom(first, part));
  }

  @On('run:setup')
  pack(): void {
    for (const split of ['train', 'val'] as const) {
      const { packing, blockSize } = this.#packedOf(split, this.model.blockSize);
      const { rows, inputs, documents, cut } = packing;
      const number = (value: number): string => value.toLocaleString('en-US');
      const padding = (100 * (1 - inputs / (rows * blockSize))).toFixed(2);
      const pieces = cut === 0 ? '' : ` (${number(cut)} of them cut)`;
      this.log.info(
        `${split}: ${number(documents)} documents${pieces} in ${number(rows)} rows of ${number(blockSize)}, ${padding} % padding`,
      );
    }
  }

  next({ batchSize, blockSize }: BatchShape, rows: Rows = { first: 0, count: batchSize }): Batch {
    const { reader, packing } = this.#packedOf('train', blockSize);
    const batch = this.#ahead.take(this.#served, { reader, packing, shape: { batchSize, blockSize }, rows });
    this.#served += batchSize;
    return batch;
  }

  evaluation(
    split: Split,
    index: number,
    { batchSize, blockSize }: BatchShape,
    rows: Rows = { first: 0, count: batchSize },
  ): Batch {
    const { reader, packing } = this.#packedOf(split, blockSize);
    const at = permutation(packing.rows, this.streams.at(`evaluation/documents/${split}`, 0));
    const first = index * batchSize + rows.first;
    const numbers = Array.from({ length: rows.count }, (_, row) => at((first + row) % packing.rows));
    return readBatch(reader, packing, numbers, blockSize);
  }

  progress(): BatchProgress {
    const { reader, packing } = this.#packedOf('train', this.model.blockSize);
    const row = this.#rowAt(Math.max(0, this.#served - 1), packing.rows);
    const start = packing.starts[packing.firstPieces[row] ?? 0] ?? 0;
    return { ...placeOf(reader, start), progress: (this.#served % packing.rows) / packing.rows };
  }

  state(): z.output<typeof stateSchema> {
    return { rows: this.#served };
  }

  restore(state: unknown): void {
    this.#served = stateSchema.parse(state).rows;
    void this.dispose();
  }

  async dispose(): Promise<void> {
    await this.#ahead.close();
  }

  #rowsFrom(first: number, { rows, packing }: BatchPart): number[] {
    return Array.from({ length: rows.count }, (_, row) => this.#rowAt(first + rows.first + row, packing?.rows ?? 0));
  }

  /** Returns the row of the packing that is served at position `index` of the run. */
  #rowAt(index: number, rows: number): number {
    const epoch = Math.floor(index / rows);
    if (this.#order?.epoch !== epoch || this.#order.rows !== rows)
      this.#order = { epoch, rows, at: permutation(rows, this.streams.place('documents', epoch)) };
    return this.#order.at(index % rows);
  }

  /** Returns the packing of a split; packs again if the data or the block size has changed. */
  #packedOf(split: Split, blockSize: number): Packed {
    const reader = this.data.split(split);
    const known = this.#packed.get(split);
    if (known?.reader === reader && known.blockSize === blockSize) return known;
    const documents = reader.documents?.();
    if (documents === undefined) {
      throw new UsageError(
        'ESP_DOCUMENTS',
        `batches.strategy documents: the ${split} data does not say where its documents begin; prepare it with \`espalier prepare\` (data.dir), or use a tokenizer with an end-of-text token`,
      );
    }
    const packing = packDocuments(documents, reader.length, blockSize);
    if (packing.rows === 0) {
      throw new UsageError(
        'ESP_DOCUMENTS',
        `batches.strategy documents: the ${split} data has no document of two tokens or more: there is nothing to learn from it`,
      );
    }
    const packed = { reader, blockSize, packing };
    this.#packed.set(split, packed);
    return packed;
  }
}
