import { gunzipSync, gzipSync } from 'node:zlib';
import { z } from 'zod';
import type { TokenizerState } from '../../../core/index.js';

const stateSchema = z.object({
  tokenizer: z.literal('hf'),
  /** The tokenizer.json, gzipped and in base64, so that data and checkpoints need no other file. */
  definition: z.string(),
  end_of_text: z.string().nullable(),
});

/**
 * Returns what this plugin stored: its tokenizer.json and end-of-text token; undefined for another tokenizer's state.
 */
export function storedDefinition(state: TokenizerState): { definition: string; endOfText?: string } | undefined {
  const { data } = stateSchema.safeParse(state);
  if (data === undefined) return undefined;
  const definition = gunzipSync(Buffer.from(data.definition, 'base64')).toString('utf8');
  return data.end_of_text === null ? { definition } : { definition, endOfText: data.end_of_text };
}

/** Packs a tokenizer.json for storage; takes a second for a large vocabulary. */
export function packed(definition: Buffer): string {
  return gzipSync(definition, { level: 9 }).toString('base64');
}
