import type { SharedTokens, TokenReader } from '../../../core/index.js';

interface TokensModule {
  openTokens(data: unknown): TokenReader | Promise<TokenReader>;
}

/** In a worker thread: opens what `TokenReader.share` gave. */
export async function openShared({ module, data }: SharedTokens): Promise<TokenReader> {
  const loaded = (await import(module)) as TokensModule;
  return loaded.openTokens(data);
}

/** What a worker thread has of `await import(openSharedModule)`. */
export type OpenSharedModule = Pick<typeof import('./open-shared.js'), 'openShared' | 'measureInThread'>;

export { measureInThread } from '../../profiler/contract.js';

/** Where this stands: what a plugin's worker imports, which is much quicker to load than the whole of `espalier`. */
export const openSharedModule = import.meta.url;
