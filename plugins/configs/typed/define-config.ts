import type {
  BatchesPlugins,
  CoreSettings,
  DataPlugins,
  EnginePlugins,
  FeaturePlugins,
  LrPlugins,
  ModelPlugins,
  OptimizerPlugins,
  TokenizerPlugins,
} from './settings.js';

/** The path of a plugin's file, relative to the config's. */
export type PluginFile = `./${string}` | `../${string}` | `/${string}` | `~/${string}`;

/**
 * A plugin's name, or its options with the name beside them. A plugin of one's own has options once they are declared:
 * `declare module 'espalier' { interface ModelPlugins { './mine.ts': { width?: number } } }`.
 */
type Filled<Plugins, Key extends 'use' | 'strategy', More = object> =
  | keyof Plugins
  | PluginFile
  | { [Name in keyof Plugins]: { readonly [K in Key]?: Name } & Plugins[Name] & More }[keyof Plugins]
  | ({ readonly [K in Key]: PluginFile } & More);

type Features = {
  readonly [Name in keyof FeaturePlugins]?: FeaturePlugins[Name] | boolean | null;
} & Readonly<Record<PluginFile, Readonly<Record<string, unknown>> | boolean | null>>;

/** A config in TypeScript or JavaScript; the same as in YAML. */
export interface ConfigSettings extends CoreSettings {
  /** Presets that this config is laid over: names, packages, or paths relative to this file. */
  readonly extends?: string | readonly string[] | null;
  /** What computes; auto: the best that works on this machine. */
  readonly engine?: Filled<EnginePlugins & { auto: object }, 'use'> | null;
  /** Where the tokens come from. */
  readonly data?: Filled<DataPlugins, 'use', { readonly tokenizer?: Filled<TokenizerPlugins, 'use'> }> | null;
  /** Which windows of the data are served, and in which order. */
  readonly batches?: Filled<BatchesPlugins, 'strategy'> | null;
  readonly model?: Filled<ModelPlugins, 'use'> | null;
  readonly optimizer?: Filled<OptimizerPlugins, 'use'> | null;
  /** The schedule of the learning rate. */
  readonly lr?: Filled<LrPlugins, 'use'> | null;
  /** Features by name, each with its options; true: on with its defaults; false: off. */
  readonly plugins?: Features | null;
}

/** Types the config that a file exports: `export default defineConfig({ extends: 'char-small' })`. */
export function defineConfig(config: ConfigSettings): ConfigSettings {
  return config;
}
