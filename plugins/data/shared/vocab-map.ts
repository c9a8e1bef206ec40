import { existsSync } from 'node:fs';
import { z } from 'zod';
import { messageOf, UsageError } from '../../../core/errors.js';
import { readJsonFile } from '../../files/contract.js';

const whole = z.int().min(0);

const vocabMapSchema = z.strictObject({
  format: z.literal(1),
  /** Size of the data's vocabulary. */
  full_vocab: z.int().min(2),
  /** Size of the shrunken vocabulary: the kept tokens, and the rare token. */
  size: z.int().min(2),
  /** Id in the shrunken vocabulary of all tokens that are not kept. */
  rare_id: whole,
  /** Share of the data that the kept tokens cover. */
  covered: z.number().min(0).max(1),
  /** Number of most frequent tokens that cover 90 % and 99 % of the data. */
  tokens_for_90: whole,
  tokens_for_99: whole,
  /** What was counted. */
  built_from: z.strictObject({ data: z.string(), tokens: whole, id: z.string() }),
  /** Kept ids of the full vocabulary, most frequent first; the index is the id in the shrunken one. */
  tokens: z.array(whole),
});

/** A shrunken vocabulary: the most frequent tokens have ids of their own, all others share one. */
export type VocabMap = z.output<typeof vocabMapSchema>;

/** How often each token occurs in the data. */
export interface TokenCounts {
  /** Counts by id. */
  readonly counts: readonly number[];
  readonly total: number;
  /** Ids that occur, most frequent first; among equals the lower id first. */
  readonly ranked: readonly number[];
}

/** Ranks tokens by frequency. @param counts by id */
export function rankTokens(counts: readonly number[]): TokenCounts {
  const count = (id: number): number => counts[id] ?? 0;
  const ranked = [...counts.keys()].filter((id) => count(id) > 0).sort((a, b) => count(b) - count(a) || a - b);
  return { counts, total: counts.reduce((sum, each) => sum + each, 0), ranked };
}

/** Returns how many of the most frequent tokens cover a share of the data. */
export function tokensFor({ counts, total, ranked }: TokenCounts, share: number): number {
  let covered = 0;
  const last = ranked.findIndex((id) => (covered += counts[id] ?? 0) >= share * total);
  return last < 0 ? ranked.length : last + 1;
}

/** Builds a mapping. @param size of the shrunken vocabulary, including the rare token: from 2 to the full size */
export function buildVocabMap(of: TokenCounts, size: number, builtFrom: VocabMap['built_from']): VocabMap {
  const never = [...of.counts.keys()].filter((id) => of.counts[id] === 0);
  const tokens = [...of.ranked, ...never].slice(0, size - 1);
  return {
    format: 1,
    full_vocab: of.counts.length,
    size,
    rare_id: size - 1,
    covered: tokens.reduce((sum, id) => sum + (of.counts[id] ?? 0), 0) / of.total,
    tokens_for_90: tokensFor(of, 0.9),
    tokens_for_99: tokensFor(of, 0.99),
    built_from: builtFrom,
    tokens,
  };
}

/**
 * Reads and checks a mapping.
 * @param shown the file as named, and where
 * @throws UsageError naming what is wrong in the file
 */
export function readVocabMap(file: string, shown: string): VocabMap {
  if (!existsSync(file)) throw wrong(shown, `there is no file ${file}`);
  let map: VocabMap;
  try {
    map = vocabMapSchema.parse(readJsonFile(file));
  } catch (thrown) {
    const why = thrown instanceof z.ZodError ? z.prettifyError(thrown) : messageOf(thrown);
    throw wrong(shown, `it cannot be used: ${why}`, thrown);
  }
  const { full_vocab, size, rare_id, tokens } = map;
  if (size > full_vocab) throw wrong(shown, `size ${String(size)} is larger than full_vocab ${String(full_vocab)}`);
  if (rare_id !== size - 1) throw wrong(shown, `rare_id is ${String(rare_id)}, and size - 1 is ${String(size - 1)}`);
  if (tokens.length !== size - 1) {
    throw wrong(shown, `it lists ${String(tokens.length)} tokens, and size - 1 is ${String(size - 1)}`);
  }
  const over = tokens.find((id) => id >= full_vocab);
  if (over !== undefined) throw wrong(shown, `token ${String(over)} is not below full_vocab ${String(full_vocab)}`);
  const seen = new Set<number>();
  const twice = tokens.find((id) => seen.size === seen.add(id).size);
  if (twice !== undefined) throw wrong(shown, `token ${String(twice)} is listed twice`);
  return map;
}

/** Returns the id of each token in the shrunken vocabulary, [full vocabulary]. */
export function shrunkenIds({ full_vocab, rare_id, tokens }: VocabMap): Int32Array {
  const ids = new Int32Array(full_vocab).fill(rare_id);
  tokens.forEach((token, place) => {
    ids[token] = place;
  });
  return ids;
}

function wrong(shown: string, what: string, cause?: unknown): UsageError {
  return new UsageError('ESP_VOCAB_MAP', `${shown}: ${what}; make it with \`espalier vocab build\``, { cause });
}
