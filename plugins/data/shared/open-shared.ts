import type { SharedTokens, TokenReader } from '../../../core/index.js';

interface TokensModule {
  openTokens(data: unknown): TokenReader | Promise<TokenReader>;
}

/** Opens, in a worker thread, what `TokenReader.share` returned. */
export async function openShared({ module, data }: SharedTokens): Promise<TokenReader> {
  const loaded = (await import(module)) as TokensModule;
  return loaded.openTokens(data);
}

/** What a worker thread gets from `await import(openSharedModule)`. */
export type OpenSharedModule = Pick<typeof import('./open-shared.js'), 'openShared' | 'measureInThread'>;

export { measureInThread } from '../../profiler/contract.js';

/** URL of this module, for worker threads of plugins to import: it loads much faster than all of `espalier`. */
export const openSharedModule = import.meta.url;
