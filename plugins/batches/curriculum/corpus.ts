import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { TokenReader } from '../../../core/index.js';

/** Tokens counted at a time; a sample consists of evenly spread pieces of this size. */
const CHUNK = 1 << 20;

/** What cached counts were computed from; if it differs, the tokens are counted again. */
export interface CountedFrom {
  readonly id: string;
  readonly vocabSize: number;
  readonly sampleTokens: number;
}

/**
 * Returns how often each token occurs in a sample of the corpus, from the cache if that was computed from the same
 * data.
 */
export function corpusCounts(
  reader: TokenReader,
  from: CountedFrom,
  cache: string | undefined,
): { counts: number[]; note: string | undefined } {
  const kept = cache === undefined ? undefined : readCounts(cache, from);
  if (kept !== undefined) return { counts: kept, note: undefined };
  const counts = count(reader, from);
  return { counts, note: cache === undefined ? undefined : keep(cache, from, counts) };
}

function count(reader: TokenReader, { vocabSize, sampleTokens }: CountedFrom): number[] {
  const counts = new Float64Array(vocabSize);
  const size = Math.min(CHUNK, reader.length);
  const places = Math.max(1, Math.min(Math.ceil(reader.length / size), Math.floor(sampleTokens / size)));
  const whole = places * size >= reader.length;
  const tokens = new Int32Array(size);
  for (let place = 0; place < places; place++) {
    const at = whole ? place * size : Math.floor((place * (reader.length - size)) / Math.max(1, places - 1));
    const length = Math.min(size, reader.length - at);
    reader.read(at, length, tokens, 0);
    for (let i = 0; i < length; i++) {
      const id = tokens[i] ?? 0;
      counts[id] = (counts[id] ?? 0) + 1;
    }
  }
  return [...counts];
}

function readCounts(cache: string, from: CountedFrom): number[] | undefined {
  try {
    const kept = JSON.parse(readFileSync(cache, 'utf8')) as CountedFrom & { counts: unknown };
    const same = kept.id === from.id && kept.vocabSize === from.vocabSize && kept.sampleTokens === from.sampleTokens;
    if (!same || !Array.isArray(kept.counts) || kept.counts.length !== from.vocabSize) return undefined;
    return kept.counts.every((each): each is number => Number.isSafeInteger(each) && each >= 0)
      ? kept.counts
      : undefined;
  } catch {
    return undefined;
  }
}

/** Saves the counts. @returns a warning if they cannot be saved: each run then counts again */
function keep(cache: string, from: CountedFrom, counts: readonly number[]): string | undefined {
  const partial = `${cache}.${String(process.pid)}.writing`;
  try {
    writeFileSync(partial, JSON.stringify({ ...from, counts }));
    renameSync(partial, cache);
    return undefined;
  } catch (thrown) {
    rmSync(partial, { force: true });
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    return `the corpus's token counts cannot be saved next to the data, so each run counts them again: ${why}`;
  }
}
