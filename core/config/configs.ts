import type { ComposedConfig } from './composed.js';
import type { Finding } from './findings.js';
import type { FoundPlugin } from '../families/resolve.js';
import { required } from '../families/provided.js';

/** What a config is composed of, weakest first. */
export interface ComposeOptions {
  /** Folder that the config file is looked for in; paths of plugins become relative to it. */
  readonly cwd: string;
  /** A config file in place of the one found in `cwd`; false: none. */
  readonly configFile?: string | false | undefined;
  /** Preset names, or paths relative to `cwd`, later over earlier. */
  readonly presets?: readonly string[] | undefined;
  /** Settings from code, later over earlier. */
  readonly code?: readonly CodeLayer[] | undefined;
  /** `a.b=value`, over everything else. */
  readonly set?: readonly string[] | undefined;
  /** Plugins that are given as classes: by name, found before any other. */
  readonly classes?: ReadonlyMap<string, FoundPlugin> | undefined;
}

/** Settings in the shape of a config file; `source` is printed in place of the file. */
export interface CodeLayer {
  readonly source: string;
  readonly settings: unknown;
}

/** Composes configs. The family that does exports one as `provided` in `provides/configs.ts`. */
export interface Configs {
  /** @throws UsageError for a file or preset that does not exist, does not parse, or extends itself */
  compose(options: ComposeOptions): Promise<ComposedConfig>;
  /** The findings, with what may have been meant where another trainer calls a setting so, or a path leads elsewhere. */
  withHints(findings: readonly Finding[], composed: ComposedConfig, cwd: string): Promise<readonly Finding[]>;
}

/** What composes configs. */
export function configs(): Promise<Configs> {
  return required<Configs>('configs', ['compose', 'withHints']);
}
