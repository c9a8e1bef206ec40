import { provided } from '../families/provided.js';
import { findPlugin, type FoundPlugin } from '../families/resolve.js';

/** Chooses engines. The family that does exports one as `provided` in `provides/engine-choice.ts`. */
export interface EngineChoice {
  /**
   * The plugin for `engine: NAME`, or for `engine: auto` the best that works here.
   * @param precision the config's
   * @param log called with what `auto` took, and why not others
   * @throws UsageError if it does not work here, or none does, with the reason
   */
  choose(name: string, cwd: string, precision: string, log: (line: string) => void): Promise<FoundPlugin>;
}

/** The plugin for `engine: NAME | auto`, as `EngineChoice.choose` says. */
export async function chosenEngine(...asked: Parameters<EngineChoice['choose']>): Promise<FoundPlugin> {
  const [name, cwd] = asked;
  const choice = await provided<EngineChoice>('engine-choice', ['choose']);
  return choice === undefined ? findPlugin(name, cwd, 'engine') : choice.choose(...asked);
}
