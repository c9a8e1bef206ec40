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
 * Finds the config file, composes it with its presets and with what the command line adds.
 * Each file is composed with its `extends` first; the whole is then laid over what came before.
 * Paths of plugins are relative to the file that they stand in, and become relative to `cwd`; those in settings
 * (`data.text`, …) stay as they are written: they are relative to `cwd`, in whichever file they stand.
 * @throws UsageError for a file or preset that is not there, does not parse, or extends itself
 */
export async function composeConfig(options: ComposeOptions): Promise<ComposedConfig> {
  const composer = new Composer(options.cwd);
  await composer.addConfigFile(options.configFile);
  for (const preset of options.presets ?? []) await composer.addPreset(preset);
  for (const layer of options.code ?? []) await composer.addCode(layer);
  composer.addSets(options.set ?? []);
  return withoutReplaced(composer.result(), options);
}

/** A config with settings over it that have one origin. What names another plugin for a slot takes away no option. */
export function over(composed: ComposedConfig, settings: Settings, origin: Origin): ComposedConfig {
  const originOf = (at: ConfigPath): Origin => composed.origins.get(pathKey(at)) ?? { source: 'default' };
  const own = treeOf(composed.value, { originOf, texts: composed.texts, filled: 'all' });
  return composedOf(mergeKeeping(own, treeOf(settings, { originOf: () => origin })), {
    layers: [...composed.layers, origin.source],
    files: origin.file === undefined ? composed.files : [...composed.files, origin.file],
    given: composed.given,
  });
}

/** A config from a checkpoint, with settings over it. @param checkpoint the checkpoint's folder */
export function composeStored(config: Settings, checkpoint: string, set: readonly string[]): ComposedConfig {
  const source = `${checkpoint}/state.json`;
  const origin = { source, file: path.join(checkpoint, 'state.json') };
  const stored = treeOf(config, { originOf: () => origin });
  const sets = parseSets(set, 1);
  const merged = sets === undefined ? stored : merge(stored, sets);
  const layers = [source, ...set.map((argument) => `--set ${argument}`)];
  return composedOf(merged, { layers, files: [origin.file], given: {} });
}

/** A plain config with relative paths of plugins from `folder`. @param place the absolute path that one leads to */
export function configWithPluginPaths(
  config: Record<string, unknown>,
  place: (name: string) => string,
  folder: string,
): Record<string, unknown> {
  const originOf = (): Origin => ({ source: 'config' });
  return flatten(treeOf(config, { originOf, nameOf: (name) => pluginPathFrom(folder, name, place) })).value;
}

/** The frozen config of a tree. `init` and `resume` are read before any schema is: text is as it was written from here on. */
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

  /** A source over all that it extends. @param chain the files that led here */
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

  /** A plugin's path is relative to the file that names it, or to `cwd` on the command line, and becomes relative to `cwd`. */
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
