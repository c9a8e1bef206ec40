import { rmSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import path from 'node:path';
import { hashOf } from '../plugins/checkpoint/stored/files.js';
import { readCheckpoint, verifyCheckpoint } from '../plugins/checkpoint/stored/read.js';
import { readFileSync } from 'node:fs';
import { UsageError, type RandomStream } from '../core/index.js';

const FILES = ['model.safetensors', 'optimizer.safetensors', 'state.json', 'config.json', 'manifest.json'];
const WORDS = [
  'null',
  '-1',
  '1e999',
  '4294967296',
  '9007199254740993',
  '"../../x"',
  '"__proto__"',
  '[]',
  '{}',
  '""',
  'true',
];

/** What became of a checkpoint that was harmed: refused with a reason, or read all the same. */
export type Verdict = 'refused' | 'read';

/**
 * Harms one file of a checkpoint, with a manifest that fits it, and reads it.
 * @param checkpoint a whole one, which stays as it is
 * @param folder for the harmed copy
 * @throws Error when anything but a clear refusal comes of it
 */
export async function fuzzOnce(checkpoint: string, folder: string, random: RandomStream): Promise<Verdict> {
  rmSync(folder, { recursive: true, force: true });
  await cp(checkpoint, folder, { recursive: true });
  const name = FILES[random.below(FILES.length)] ?? '';
  const file = path.join(folder, name);
  const harmed = harm(readFileSync(file), random);
  writeFileSync(file, harmed);
  // The manifest would find it; what reads the files must be safe by itself.
  if (name !== 'manifest.json') refit(folder, name, harmed);
  try {
    await verifyCheckpoint(folder);
    await readCheckpoint(folder);
    return 'read';
  } catch (thrown) {
    if (thrown instanceof UsageError && thrown.message !== '') return 'refused';
    throw new Error(`${name} was harmed, and this came of it: ${String(thrown)}`, { cause: thrown });
  }
}

/** Flips bits, cuts, repeats, or puts words that break parsers in place of numbers and names. */
function harm(content: Buffer, random: RandomStream): Buffer {
  const at = random.below(content.length);
  switch (random.below(5)) {
    case 0: {
      const flipped = Buffer.from(content);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
      return flipped;
    }
    case 1:
      return content.subarray(0, at);
    case 2:
      return Buffer.concat([content.subarray(0, at), content.subarray(random.below(at + 1))]);
    case 3: {
      const header = Buffer.from(content);
      if (header.length >= 8) header.writeBigUInt64LE(BigInt(random.uint32()) << BigInt(random.below(33)), 0);
      return header;
    }
    default: {
      const text = content.toString('latin1');
      const numbers = [...text.slice(0, 1 << 16).matchAll(/"[^"\\]*"|\d+/g)];
      const found = numbers[random.below(Math.max(1, numbers.length))];
      const word = WORDS[random.below(WORDS.length)] ?? '';
      if (found === undefined) return content.subarray(0, at);
      return Buffer.from(text.slice(0, found.index) + word + text.slice(found.index + found[0].length), 'latin1');
    }
  }
}

function refit(folder: string, name: string, content: Buffer): void {
  const file = path.join(folder, 'manifest.json');
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as {
    files: Record<string, { bytes: number; sha256: string }>;
  };
  manifest.files[name] = { bytes: content.length, sha256: hashOf(content) };
  writeFileSync(file, JSON.stringify(manifest));
}
