import { closeSync, openSync, readSync } from 'node:fs';
import { UsageError } from '../../../core/index.js';
import type { ShardFormat } from './shard-file.js';

/** llm.c's header: 256 int32, starting with the magic number, the version and the number of tokens. */
const LLM_C_HEADER_BYTES = 1024;
const LLM_C_KINDS = [
  { magic: 20240520, version: 1, bytesPerToken: 2 },
  { magic: 20240801, version: 7, bytesPerToken: 4 },
] as const;

/**
 * Recognises the layout of a file: llm.c's if it starts with its header, else ids only, as nanoGPT and `espalier
 * prepare` write.
 * @param bytesPerToken of files without a header
 * @throws UsageError when the file ends within a token, or does not have the number of tokens in its header
 */
export function formatOf(file: string, size: number, bytesPerToken: 2 | 4): ShardFormat {
  const header = readHeader(file);
  const kind = LLM_C_KINDS.find(
    ({ magic, version }) =>
      size >= LLM_C_HEADER_BYTES && header.readInt32LE(0) === magic && header.readInt32LE(4) === version,
  );
  if (kind === undefined) {
    if (size % bytesPerToken === 0) return { headerBytes: 0, bytesPerToken };
    throw new UsageError(
      'ESP_SHARD_LENGTH',
      `${file} has ${String(size)} bytes, which is not a whole number of uint${String(bytesPerToken * 8)} tokens; it is cut off or not a token file`,
    );
  }
  const tokens = header.readInt32LE(8);
  if (size === LLM_C_HEADER_BYTES + tokens * kind.bytesPerToken) {
    return { headerBytes: LLM_C_HEADER_BYTES, bytesPerToken: kind.bytesPerToken };
  }
  throw new UsageError(
    'ESP_SHARD_LENGTH',
    `${file} has ${String(size)} bytes, but its llm.c header counts ${String(tokens)} tokens, which need ${String(LLM_C_HEADER_BYTES + tokens * kind.bytesPerToken)}; it is cut off`,
  );
}

function readHeader(file: string): Buffer {
  const header = Buffer.alloc(12);
  const descriptor = openSync(file, 'r');
  try {
    readSync(descriptor, header, 0, header.length, 0);
  } finally {
    closeSync(descriptor);
  }
  return header;
}
