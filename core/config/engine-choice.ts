import { provided } from '../families/provided.js';
import type { FoundPlugin } from '../families/load.js';
import { findPlugin } from '../families/resolve.js';

/** Chooses the engine. A family implements it as `provided` in `provides/engine-choice.ts`. */
export interface EngineChoice {
  /**
   * Returns the plugin for `engine: NAME`, or for `engine: auto` the best engine that works here.
   * @param precision the config's `precision`
   * @param log called with the engine that `auto` chose and why it rejected others
   * @throws UsageError with the reason, if the named engine or, for `auto`, every engine fails to work here
   */
  choose(name: string, cwd: string, precision: string, log: (line: string) => void): Promise<FoundPlugin>;
}

/** Returns the plugin for `engine: NAME | auto`; see `EngineChoice.choose`. */
export async function chosenEngine(...asked: Parameters<EngineChoice['choose']>): Promise<FoundPlugin> {
  const [name, cwd] = asked;
  const choice = await provided<EngineChoice>('engine-choice', ['choose']);
  return choice === undefined ? findPlugin(name, cwd, 'engine') : choice.choose(...asked);
}
