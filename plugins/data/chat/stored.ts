import { contentSchema } from '../token-shards/content.js';
import type { ChatFormat } from './format.js';

/**
 * Returns how a checkpoint's training data wrote conversations; undefined if it had none.
 * @param plugins `state.plugins` of the checkpoint
 */
export function storedChatFormat(
  plugins: Readonly<Record<string, { readonly state?: unknown }>>,
): ChatFormat | undefined {
  return contentSchema.safeParse(plugins['token-shards']?.state).data?.chat;
}
