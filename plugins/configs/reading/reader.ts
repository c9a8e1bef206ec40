import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { cosmiconfig, type PublicExplorer } from 'cosmiconfig';
import { closest } from 'fastest-levenshtein';
import { messageOf, UsageError } from '../../../core/errors.js';
import { NotText, readTextFile } from '../../files/contract.js';
import { presetFolder } from '../../../core/installation.js';
import { homeExpanded, resolveFrom } from '../../../core/paths.js';
import { isDeclaration } from '../../../core/runs.js';
import { listPresets, presetOfPackage, type Preset } from './presets.js';
import { ConfigSource, importSource, parseYamlSource, shownFile } from './source.js';

/** Names of config files, in the order in which they are searched; the first found is used. */
export const searchPlaces = [
  ...['ts', 'js', 'mjs', 'yaml', 'yml', 'json'].map((extension) => `espalier.config.${extension}`),
  '.espalierrc',
  ...['json', 'yaml', 'yml', 'js', 'ts'].map((extension) => `.espalierrc.${extension}`),
  'package.json',
];

/** Finds and reads config files and presets. Paths on the command line are relative to `cwd`. */
export class ConfigReader {
  readonly #explorer;

  constructor(private readonly cwd: string) {
    // Reads files itself: cosmiconfig assumes UTF-8 without a byte order mark.
    const yaml = (file: string): unknown => this.#readYaml(file);
    const code = async (file: string): Promise<unknown> => asResult(file, await importSource(file, this.#label(file)));
    this.#explorer = withoutMetaConfig('espalier', {
      searchPlaces,
      searchStrategy: 'none',
      cache: false,
      loaders: {
        '.yaml': yaml,
        '.yml': yaml,
        '.json': yaml,
        noExt: yaml,
        default: yaml,
        '.ts': code,
        '.js': code,
        '.mjs': code,
        '.cjs': code,
        '.mts': code,
        '.cts': code,
      },
    });
  }

  /** Finds the config file in `cwd`. Parent folders are not searched, since paths in it are relative to `cwd`. */
  async find(): Promise<ConfigSource | undefined> {
    for (const place of searchPlaces) this.#refuseUnreadable(path.join(this.cwd, place));
    const found = await this.#explorer.search(this.cwd);
    return sourceIn(found?.config);
  }

  /** Reads a config file or a preset; an empty file has no settings. @throws UsageError when it cannot be read */
  async read(file: string): Promise<ConfigSource> {
    this.#refuseUnreadable(file);
    const found = await this.#explorer.load(file);
    return sourceIn(found?.config) ?? new ConfigSource(file, this.#label(file), {});
  }

  /** Returns the absolute path of `--config FILE`. @throws UsageError when it is not a file */
  configFile(file: string): string {
    const absolute = resolveFrom(this.cwd, file);
    if (!isFile(absolute))
      throw new UsageError('ESP_CONFIG_NOT_FOUND', `--config ${file}: ${noFile(absolute, 'file')}`);
    return absolute;
  }

  /**
   * Returns the file of a preset: the name of a preset of espalier or of a package, a path relative to `folder`, or a
   * package (`NAME` or `espalier-preset-NAME`) with one preset, or whose main file is a config.
   * @param where where it is named, for errors: `--preset` or a place in a file
   */
  presetFile(name: string, folder: string, where: string): string {
    const presets = listPresets(this.cwd);
    const byName = presets.find((preset) => preset.name === name) ?? presetOfPackage(name, this.cwd);
    if (byName !== undefined) return byName.file;
    const absolute = resolveFrom(folder, name);
    if (looksLikePath(name) && isFile(absolute)) return absolute;
    const inPackage = isExplicitPath(name) ? undefined : packageFile(name, folder);
    if (inPackage !== undefined) return inPackage;
    throw looksLikePath(name)
      ? new UsageError('ESP_PRESET_NOT_FOUND', `${where}: ${noFile(absolute, 'preset file')}`)
      : unknownPreset(name, where, isFile(absolute), presets);
  }

  /** Reports an unreadable file, which cosmiconfig's search would skip silently. */
  #refuseUnreadable(file: string): void {
    try {
      if (isFile(file)) accessSync(file, constants.R_OK);
    } catch (thrown) {
      throw new UsageError('ESP_CONFIG_LOAD', `${this.#label(file)} cannot be read: ${messageOf(thrown)}`);
    }
  }

  #readYaml(file: string): unknown {
    const text = this.#text(file);
    if (path.basename(file) !== 'package.json') return asResult(file, parseYamlSource(file, this.#label(file), text));
    const source = parseYamlSource(file, this.#label(file), text, 'espalier').section('espalier');
    // In a package that contributes to espalier the key is not a config, but says what it contributes.
    return asResult(file, isDeclaration(source?.value) ? undefined : source);
  }

  #text(file: string): string {
    try {
      return readTextFile(file);
    } catch (thrown) {
      if (!(thrown instanceof NotText)) throw thrown;
      throw new UsageError('ESP_CONFIG_SYNTAX', `${this.#label(file)} cannot be read: ${thrown.message}`, {
        cause: thrown,
      });
    }
  }

  #label(file: string): string {
    const preset = path.relative(presetFolder, file);
    return preset.includes(path.sep) || preset.startsWith('..') ? shownFile(file, this.cwd) : `presets/${preset}`;
  }
}

/**
 * Makes a cosmiconfig without its own config. It always looks for one in the working folder (`package.json`, and
 * `.config/config.js`, which it runs), and has no option to turn that off, so it is made to look in the preset folder.
 */
function withoutMetaConfig(...args: Parameters<typeof cosmiconfig>): PublicExplorer {
  const before = Object.getOwnPropertyDescriptor(process, 'cwd') ?? {};
  process.cwd = () => presetFolder;
  try {
    return cosmiconfig(...args);
  } finally {
    Object.defineProperty(process, 'cwd', before);
  }
}

/**
 * For `package.json`, and any file named `package`, cosmiconfig takes the key `espalier` of what the loader returns.
 */
function asResult(file: string, source: ConfigSource | undefined): unknown {
  return path.basename(file, path.extname(file)) === 'package' ? { espalier: source } : source;
}

function sourceIn(config: unknown): ConfigSource | undefined {
  return config instanceof ConfigSource ? config : undefined;
}

function isFile(file: string): boolean {
  return existsSync(file) && statSync(file).isFile();
}

function noFile(absolute: string, what: string): string {
  return existsSync(absolute) ? `${absolute} is a folder; give a file in it` : `there is no ${what} ${absolute}`;
}

function isExplicitPath(name: string): boolean {
  return name.startsWith('.') || path.isAbsolute(homeExpanded(name));
}

function looksLikePath(name: string): boolean {
  return (
    isExplicitPath(name) || /\.(?:ya?ml|json|[cm]?js|ts)$/.test(name) || (/[\\/]/.test(name) && !name.startsWith('@'))
  );
}

function packageFile(name: string, folder: string): string | undefined {
  const resolver = createRequire(path.join(folder, 'noop.js'));
  for (const candidate of [`espalier-preset-${name}`, name]) {
    try {
      const file = resolver.resolve(candidate);
      if (path.isAbsolute(file)) return file;
    } catch {
      continue;
    }
  }
  return undefined;
}

function unknownPreset(name: string, where: string, isPath: boolean, presets: readonly Preset[]): UsageError {
  if (isPath) {
    const path = `a preset path starts with ./; write ./${name}`;
    return new UsageError('ESP_PRESET_NOT_FOUND', `${where}: unknown preset "${name}": ${path}`);
  }
  const names = presets.map((preset) => preset.name);
  return new UsageError(
    'ESP_PRESET_NOT_FOUND',
    `${where}: unknown preset "${name}": did you mean "${closest(name, names)}"? There are: ${names.join(', ')}; a path starts with ./`,
  );
}
