/** A zstd frame with its bytes stored as they are: Node 20 cannot make one. */
export function zstdFrame(bytes: Buffer): Buffer {
  const header = Buffer.alloc(9);
  header.writeUInt32LE(0xfd2fb528);
  // One segment, whose size follows in 4 bytes.
  header.writeUInt8(0xa0, 4);
  header.writeUInt32LE(bytes.length, 5);
  const blocks: Buffer[] = [];
  const most = 1 << 17;
  for (let at = 0; at < bytes.length; at += most) {
    const block = bytes.subarray(at, at + most);
    const last = at + most >= bytes.length ? 1 : 0;
    const size = Buffer.alloc(3);
    size.writeUIntLE((block.length << 3) | last, 0, 3);
    blocks.push(size, block);
  }
  return Buffer.concat([header, ...blocks]);
}

/** llm.c's shard: 256 int32, then the tokens. */
export function llmCShard(tokens: Uint16Array, counted = tokens.length): Buffer {
  const header = Buffer.alloc(1024);
  [20240520, 1, counted].forEach((value, index) => header.writeInt32LE(value, 4 * index));
  return Buffer.concat([header, Buffer.from(tokens.buffer, tokens.byteOffset, tokens.byteLength)]);
}
