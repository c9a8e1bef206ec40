import path from 'node:path';
import { UsageError } from '../../../core/errors.js';
import { resolveFrom } from '../../../core/paths.js';
import {
  coreScalars,
  coreSchema,
  eachLeaf,
  frozen,
  isSection,
  pathKey,
  pluginPathFrom,
  showOrigin,
  slotKeys,
  withTexts,
  type CodeLayer,
  type ComposedConfig,
  type ComposeOptions,
  type ConfigPath,
  type Origin,
  type Settings,
} from '../../../core/runs.js';
import { ConfigReader } from '../reading/reader.js';
import { withoutReplaced } from './replaced.js';
import { parseSets } from './set.js';
import { codeSource, shownFile, type ConfigSource } from '../reading/source.js';
import { flatten, merge, mergeKeeping, treeOf, type Section } from './tree.js';

/**
 * Finds the config file and composes it with presets and the command line.
 * Each file is first composed with its `extends`; the result is then merged over the earlier layers.
 * Paths of plugins are relative to the file that contains them, and are made relative to `cwd`. Paths in settings
 * (`data.text`, …) are always relative to `cwd` and stay as written.
 * @throws UsageError for a file or preset that is missing, does not parse, or extends itself
 */
export async function composeConfig(options: ComposeOptions): Promise<ComposedConfig> {
  const composer = new Composer(options.cwd);
  await composer.addConfigFile(options.configFile);
  for (const preset of options.presets ?? []) await composer.addPreset(preset);
  for (const layer of options.code ?? []) await composer.addCode(layer);
  composer.addSets(options.set ?? []);
  return withoutReplaced(composer.result(), options);
}

/** Merges settings of one origin over a config. Naming another plugin for a slot removes no options. */
export function over(composed: ComposedConfig, settings: Settings, origin: Origin): ComposedConfig {
  const originOf = (at: ConfigPath): Origin => composed.origins.get(pathKey(at)) ?? { source: 'default' };
  const own = treeOf(composed.value, { originOf, texts: composed.texts, filled: 'all' });
  return composedOf(mergeKeeping(own, treeOf(settings, { originOf: () => origin })), {
    layers: [...composed.layers, origin.source],
    files: origin.file === undefined ? composed.files : [...composed.files, origin.file],
    given: composed.given,
  });
}

/** Merges `--set` over the config of a checkpoint. @param checkpoint the checkpoint's folder */
export function composeStored(config: Settings, checkpoint: string, set: readonly string[]): ComposedConfig {
  const source = `${checkpoint}/state.json`;
  const origin = { source, file: path.join(checkpoint, 'state.json') };
  const stored = treeOf(config, { originOf: () => origin });
  const sets = parseSets(set, 1);
  const merged = sets === undefined ? stored : merge(stored, sets);
  const layers = [source, ...set.map((argument) => `--set ${argument}`)];
  return composedOf(merged, { layers, files: [origin.file], given: {} });
}

/** Rewrites the paths of plugins relative to `folder`. @param place returns the absolute path of one */
export function configWithPluginPaths(
  config: Record<string, unknown>,
  place: (name: string) => string,
  folder: string,
): Record<string, unknown> {
  const originOf = (): Origin => ({ source: 'config' });
  return flatten(treeOf(config, { originOf, nameOf: (name) => pluginPathFrom(folder, name, place) })).value;
}

/**
 * Makes the frozen config of a tree. Restores text values of core settings as written, since `init` and `resume` are
 * read before schemas are applied.
 */
export function composedOf(tree: Section, facts: Pick<ComposedConfig, 'layers' | 'files' | 'given'>): ComposedConfig {
  const flat = flatten(tree);
  const core = withTexts(coreSchema, [], flat.texts, flat.value);
  return { ...flat, ...facts, value: frozen(isSection(core) ? core : flat.value) };
}

/** Keys at the top that say nothing when they are left empty. */
const SECTIONS: readonly string[] = [
  ...Object.keys(coreSchema.shape).filter((key) => !coreScalars.includes(key)),
  ...Object.values(slotKeys).map(({ path: [top] }) => top),
  'plugins',
];

class Composer {
  readonly #reader: ConfigReader;
  readonly #layers: string[] = [];
  #layer = 0;
  readonly #files = new Set<string>();
  readonly #given: Record<string, Record<string, unknown>> = {};
  #tree: Section = treeOf({}, { originOf: () => ({ source: 'default' }) });

  constructor(private readonly cwd: string) {
    this.#reader = new ConfigReader(cwd);
  }

  async addConfigFile(file: string | false | undefined): Promise<void> {
    if (file === false) return;
    const source =
      file === undefined ? await this.#reader.find() : await this.#reader.read(this.#reader.configFile(file));
    if (source !== undefined) this.#lay(await this.#compose(source, []));
  }

  async addPreset(name: string): Promise<void> {
    const file = this.#reader.presetFile(name, this.cwd, `--preset ${name}`);
    this.#lay(await this.#compose(await this.#reader.read(file), []));
  }

  async addCode({ source, settings }: CodeLayer): Promise<void> {
    this.#lay(await this.#compose(codeSource(settings, source, this.cwd), []));
  }

  addSets(list: readonly string[]): void {
    const sets = parseSets(list, ++this.#layer, this.#nameOf);
    if (sets !== undefined) this.#lay(sets);
    this.#layers.push(...list.map((argument) => `--set ${argument}`));
  }

  result(): ComposedConfig {
    return composedOf(this.#tree, { layers: this.#layers, files: [...this.#files], given: this.#given });
  }

  #lay(over: Section): void {
    this.#tree = merge(this.#tree, over);
  }

  /** Merges a source over everything it extends. @param chain the files that led here */
  async #compose(source: ConfigSource, chain: readonly string[]): Promise<Section> {
    const here = [...chain, source.file];
    const { extends: extended, ...settings } = source.value;
    let tree: Section | undefined;
    for (const name of namesIn(extended, source)) {
      const where = `${showOrigin(source.origin(['extends']))}: extends`;
      const file = this.#reader.presetFile(name, path.dirname(source.file), where);
      if (here.includes(file)) throw this.#cycle([...here, file]);
      const composed = await this.#compose(await this.#reader.read(file), here);
      tree = tree === undefined ? composed : merge(tree, composed);
    }
    this.#layers.push(source.label);
    if (!source.isCode) this.#files.add(source.file);
    const { texts } = source;
    const layer = ++this.#layer;
    const originOf = (at: ConfigPath): Origin => ({ ...source.origin(at), layer });
    const filled = Object.keys(settings).filter((key) => !SECTIONS.includes(key));
    const own = treeOf(settings, { originOf, texts, filled, nameOf: this.#nameOf });
    const values: Record<string, unknown> = {};
    eachLeaf(flatten(own).value, (at, value) => (values[pathKey(at)] = value));
    this.#given[source.label] = values;
    return tree === undefined ? own : merge(tree, own);
  }

  /**
   * Makes a plugin's path, which is relative to the file that names it (or to `cwd` on the command line), relative to
   * `cwd`.
   */
  readonly #nameOf = (name: string, { file }: Origin): string =>
    pluginPathFrom(this.cwd, name, () => resolveFrom(file === undefined ? this.cwd : path.dirname(file), name));

  #cycle(files: readonly string[]): UsageError {
    const last = files.at(-1) ?? '';
    const cycle = files.slice(files.indexOf(last)).map((file) => shownFile(file, this.cwd));
    return new UsageError(
      'ESP_CONFIG_CYCLE',
      `these files extend each other in a circle: ${cycle.join(' → ')}; remove one \`extends\``,
    );
  }
}

function namesIn(extended: unknown, source: ConfigSource): string[] {
  if (extended === undefined || extended === null) return [];
  const names: unknown[] = Array.isArray(extended) ? extended : [extended];
  return names.map((name) => {
    if (typeof name === 'string' && name !== '') return name;
    throw new UsageError(
      'ESP_CONFIG_VALUE',
      `${showOrigin(source.origin(['extends']))}: key extends: expected the name of a preset or a list of names, received ${JSON.stringify(extended)}`,
    );
  });
}
