/** A growing buffer for numbers and strings in GGUF's encoding: little-endian, strings with their length in front. */
export class ByteWriter {
  #buffer = Buffer.alloc(1 << 16);
  #length = 0;

  uint8(value: number): void {
    const at = this.#grow(1);
    this.#buffer.writeUInt8(value, at);
  }

  uint32(value: number): void {
    const at = this.#grow(4);
    this.#buffer.writeUInt32LE(value, at);
  }

  int32(value: number): void {
    const at = this.#grow(4);
    this.#buffer.writeInt32LE(value, at);
  }

  float32(value: number): void {
    const at = this.#grow(4);
    this.#buffer.writeFloatLE(value, at);
  }

  uint64(value: number): void {
    const at = this.#grow(8);
    this.#buffer.writeBigUInt64LE(BigInt(value), at);
  }

  string(value: string): void {
    const size = Buffer.byteLength(value);
    this.uint64(size);
    const at = this.#grow(size);
    this.#buffer.write(value, at, 'utf8');
  }

  /** Returns the bytes written so far. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Makes room for more bytes, and returns their offset. */
  #grow(bytes: number): number {
    const start = this.#length;
    this.#length += bytes;
    if (this.#length > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(this.#length, 2 * this.#buffer.length));
      this.#buffer.copy(larger);
      this.#buffer = larger;
    }
    return start;
  }
}
