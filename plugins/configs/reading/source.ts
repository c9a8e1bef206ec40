// tsyringe, which outside.js imports, needs this first.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { messageOf, UsageError } from '../../../core/errors.js';
import { importOutside, isSection, pathKey, type ConfigPath, type Origin, type Texts } from '../../../core/runs.js';
import { CodeFault, plainSettings } from './code-settings.js';
import { readYaml, YamlFault } from './yaml.js';

/** What is known about a file's settings besides their values. */
interface SourceFacts {
  /** Line of every key, by `pathKey`. */
  readonly lines?: ReadonlyMap<string, number>;
  readonly texts?: Texts;
  /** Top-level keys that contain an anchor. */
  readonly anchored?: ReadonlySet<string>;
  /** Whether a program gave the settings, not a file. */
  readonly isCode?: boolean;
}

/**
 * The settings of one file. Top-level keys that start with `x-` are for the file's own use, and `$schema` is for editors:
 * both are left out.
 */
export class ConfigSource {
  readonly value: Record<string, unknown>;
  readonly texts: Texts;

  /**
   * @param file absolute path
   * @param label the file as printed
   */
  constructor(
    readonly file: string,
    readonly label: string,
    value: Record<string, unknown>,
    private readonly facts: SourceFacts = {},
  ) {
    this.value = Object.fromEntries(
      Object.entries(value).filter(([key]) => !key.startsWith('x-') && key !== '$schema'),
    );
    this.texts = facts.texts ?? new Map<string, string>();
  }

  get isCode(): boolean {
    return this.facts.isCode === true;
  }

  /** Returns where a key is set: its line, or that of the closest enclosing key. */
  origin(at: ConfigPath): Origin {
    const [top = ''] = at;
    const anchor = at.length === 1 && this.facts.anchored?.has(top) === true ? { anchor: true } : {};
    for (let length = at.length; length > 0; length--) {
      const line = this.facts.lines?.get(pathKey(at.slice(0, length)));
      if (line !== undefined) return { source: this.label, line, file: this.file, ...anchor };
    }
    return { source: this.label, file: this.file };
  }

  /** Returns the section under `key` as a source of its own; undefined if there is none. */
  section(key: string): ConfigSource | undefined {
    const value = this.value[key];
    if (value === undefined) return undefined;
    const prefix = `${pathKey([key])}.`;
    const below = <T>(facts: ReadonlyMap<string, T> = new Map()): Map<string, T> =>
      new Map(
        [...facts]
          .filter(([at]) => at.startsWith(prefix))
          .map(([at, fact]): [string, T] => [at.slice(prefix.length), fact]),
      );
    const settings = asSettings(value, `${this.label}: key ${key}`);
    return new ConfigSource(this.file, this.label, settings, {
      lines: below(this.facts.lines),
      texts: below(this.texts),
    });
  }
}

/**
 * Parses the text of a YAML or JSON file.
 * @param uniqueWithin top-level key within which keys must be unique; default: everywhere
 * @throws UsageError with file and line
 */
export function parseYamlSource(file: string, label: string, text: string, uniqueWithin?: string): ConfigSource {
  try {
    const { value, ...facts } = readYaml(text, uniqueWithin === undefined ? {} : { uniqueWithin });
    return new ConfigSource(file, label, asSettings(value, label), facts);
  } catch (thrown) {
    if (!(thrown instanceof YamlFault)) throw thrown;
    const where = thrown.line === undefined ? label : `${label}:${String(thrown.line)}`;
    const language = path.extname(file) === '.json' ? 'JSON' : 'YAML';
    throw new UsageError('ESP_CONFIG_SYNTAX', `${where}: not valid ${language}: ${thrown.message}`, { cause: thrown });
  }
}

/**
 * Makes a source of settings that a program gives; paths in them are relative to `cwd`.
 * @param label printed in place of a file
 * @throws UsageError naming the key of a value that a config cannot contain
 */
export function codeSource(settings: unknown, label: string, cwd: string): ConfigSource {
  const plain = settingsFrom(label, 'the settings', () => plainSettings(settings));
  return new ConfigSource(path.join(cwd, label), label, asSettings(plain, label), { isCode: true });
}

/** Loads a TypeScript or JavaScript file, whose default export is the config. @throws UsageError naming file and key */
export async function importSource(file: string, label: string): Promise<ConfigSource> {
  let loaded: unknown;
  try {
    ({ exports: loaded } = await importOutside(file));
  } catch (thrown) {
    const line = lineIn(thrown, file);
    const where = line === undefined ? label : `${label}:${String(line)}`;
    throw new UsageError('ESP_CONFIG_LOAD', `${where} failed to load: ${reasonIn(thrown)}`, { cause: thrown });
  }
  const settings = settingsFrom(label, 'the default export', () => plainSettings(defaultExport(loaded, label)));
  return new ConfigSource(file, label, asSettings(settings, label));
}

function settingsFrom(label: string, whole: string, read: () => unknown): unknown {
  try {
    return read();
  } catch (thrown) {
    if (thrown instanceof UsageError) throw thrown;
    if (!(thrown instanceof CodeFault)) {
      throw new UsageError('ESP_CONFIG_LOAD', `${label} could not be read: ${messageOf(thrown)}`, {
        cause: thrown,
      });
    }
    const at = thrown.path.length === 0 ? whole : `key ${pathKey(thrown.path)}`;
    throw new UsageError('ESP_CONFIG_VALUE', `${label}: ${at}: ${thrown.message}`, { cause: thrown });
  }
}

/**
 * Returns the config: CommonJS files export it directly. If the default export is null, jiti returns the module, so
 * look at its property.
 */
function defaultExport(loaded: unknown, label: string): unknown {
  const isObject = typeof loaded === 'object' && loaded !== null;
  const property = isObject ? Object.getOwnPropertyDescriptor(loaded, 'default') : undefined;
  if (property === undefined && (loaded === null || loaded === undefined || (isObject && isEsModule(loaded)))) {
    const what = 'has no default export; export the config with `export default`';
    throw new UsageError('ESP_CONFIG_LOAD', `${label} ${what}`);
  }
  const exported: unknown = property === undefined ? loaded : (property.get?.call(loaded) ?? property.value);
  if (exported !== null && exported !== undefined) return exported;
  throw new UsageError('ESP_CONFIG_LOAD', `${label} exports ${String(exported)}; export a config, at least {}`);
}

/** Returns an error's message without the lines that Node and jiti add. */
function reasonIn(thrown: unknown): string {
  return messageOf(thrown).replace(/\s*\n(?:Require stack:| \/).*$/s, '');
}

/** Returns the line of a file that an error's stack or message names. */
function lineIn(thrown: unknown, file: string): number | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const text = `${thrown.message}\n${thrown.stack ?? ''}`;
  const places = [file, pathToFileURL(file).href].flatMap((name) => text.split(name).slice(1));
  const line = places.flatMap((rest) => /^:(\d+)/.exec(rest)?.[1] ?? [])[0];
  return line === undefined ? undefined : Number(line);
}

function isEsModule(loaded: object): boolean {
  return '__esModule' in loaded || Object.prototype.toString.call(loaded) === '[object Module]';
}

/** Returns a file's path for printing: relative to `cwd` if it is inside. */
export function shownFile(file: string, cwd: string): string {
  const relative = path.relative(cwd, file);
  return relative.startsWith('..') || path.isAbsolute(relative) ? file : relative;
}

function asSettings(value: unknown, where: string): Record<string, unknown> {
  if (value === null || value === undefined) return {};
  if (isSection(value)) return value;
  const what = Array.isArray(value) ? 'a list' : `a ${typeof value}`;
  throw new UsageError(
    'ESP_CONFIG_VALUE',
    `${where} holds ${what}; a config is a map of settings (\`key: value\` lines)`,
  );
}
