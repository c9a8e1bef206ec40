import type { ComposedConfig } from './composed.js';
import type { Finding } from './findings.js';
import type { UsageError } from '../errors.js';
import type { FoundPlugin } from '../families/load.js';
import type { Slot } from '../plugins/plugin.js';
import { required } from '../families/provided.js';

/** The sources of a config, weakest first. */
export interface ComposeOptions {
  /** Folder in which the config file is searched; plugin paths become relative to it. */
  readonly cwd: string;
  /** Config file to use instead of the one found in `cwd`; false uses none. */
  readonly configFile?: string | false | undefined;
  /** Preset names, or paths relative to `cwd`; later ones override earlier ones. */
  readonly presets?: readonly string[] | undefined;
  /** Settings from code; later ones override earlier ones. */
  readonly code?: readonly CodeLayer[] | undefined;
  /** `a.b=value`; overrides everything else. */
  readonly set?: readonly string[] | undefined;
  /** Plugins given as classes, by name; they take precedence over all others. */
  readonly classes?: ReadonlyMap<string, FoundPlugin> | undefined;
}

/** Settings in the shape of a config file; messages print `source` as their file. */
export interface CodeLayer {
  readonly source: string;
  readonly settings: unknown;
}

/** Composes configs. A family implements it as `provided` in `provides/configs.ts`. */
export interface Configs {
  /** @throws UsageError for a file or preset that does not exist, does not parse, or extends itself */
  compose(options: ComposeOptions): Promise<ComposedConfig>;
  /**
   * Returns the findings with suggestions: other trainers' names for a setting, and keys written in the wrong place.
   */
  withHints(findings: readonly Finding[], composed: ComposedConfig, cwd: string): Promise<readonly Finding[]>;
  /** Returns the error for a name that no plugin of the slot has, with the nearest names. */
  unknownPlugin(name: string, cwd: string, slot: Slot | undefined): Promise<UsageError>;
}

/** Returns the installed implementation. */
export function configs(): Promise<Configs> {
  return required<Configs>('configs', ['compose', 'withHints', 'unknownPlugin']);
}
