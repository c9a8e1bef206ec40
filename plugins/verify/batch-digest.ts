import { createHash } from 'node:crypto';
import { z } from 'zod';
import { inject, On, Plugin, Ranks, type BatchReady } from '../../core/index.js';

const stateSchema = z.strictObject({ batches: z.int().min(0), digest: z.string() });

@Plugin({
  name: 'batch-digest',
  summary: 'Saves a digest of all batches in each checkpoint: two runs with equal digests have seen the same data.',
})
export default class BatchDigest {
  #batches = 0;
  #digest = '';

  constructor(@inject(Ranks) private readonly ranks: Ranks) {}

  @On('batch:ready')
  add({ batch }: BatchReady): void | Promise<void> {
    const hash = createHash('sha256').update(this.#digest);
    for (const values of [batch.inputs, batch.targets, batch.weights, batch.documents]) {
      if (values !== undefined) hash.update(bytesOf(values));
    }
    for (const [name, values] of Object.entries(batch.fields ?? {})) hash.update(name).update(bytesOf(values));
    this.#batches++;
    if (this.ranks.size > 1) return this.#addAll(hash.update(String(this.ranks.rank)).digest());
    this.#digest = hash.digest('hex');
  }

  /** Ranks have different rows of a batch: the digest is of all, and the same on each. */
  async #addAll(own: Buffer): Promise<void> {
    const words = Array.from({ length: own.length / 4 }, (_, i) => own.readUInt32LE(4 * i));
    const means = Float64Array.from(await this.ranks.average(words));
    this.#digest = createHash('sha256').update(new Uint8Array(means.buffer)).digest('hex');
  }

  state(): z.output<typeof stateSchema> {
    return { batches: this.#batches, digest: this.#digest };
  }

  restore(state: unknown): void {
    const { batches, digest } = stateSchema.parse(state);
    this.#batches = batches;
    this.#digest = digest;
  }
}

function bytesOf(tokens: Int32Array | Float32Array): Uint8Array {
  return new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
}
