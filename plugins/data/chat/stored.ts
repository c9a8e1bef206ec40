import { contentSchema } from '../token-shards/content.js';
import type { ChatFormat } from './format.js';

/**
 * Returns how the conversations were written that a checkpoint was trained on; undefined where its data held none.
 * @param plugins `state.plugins` of the checkpoint
 */
export function storedChatFormat(
  plugins: Readonly<Record<string, { readonly state?: unknown }>>,
): ChatFormat | undefined {
  return contentSchema.safeParse(plugins['token-shards']?.state).data?.chat;
}
