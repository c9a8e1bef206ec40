// tsyringe, which outside.js imports, needs this first.
import path from 'node:path';
import { isAlias, isMap, isScalar, LineCounter, parseDocument, type Document, type ParsedNode } from 'yaml';
import { messageOf, UsageError } from '../errors.js';
import { importOutside } from '../plugins/outside.js';
import { isSection, type Origin } from './composed.js';
import { pathKey, type ConfigPath } from './path.js';

/** The settings that one file holds. */
export class ConfigSource {
  /**
   * @param file absolute path
   * @param label the file as it is printed
   * @param lines line of every key, by `pathKey`
   */
  constructor(
    readonly file: string,
    readonly label: string,
    readonly value: Record<string, unknown>,
    private readonly lines: ReadonlyMap<string, number> = new Map(),
  ) {}

  /** Where a key was written: its line, or that of the closest key around it. */
  origin(at: ConfigPath): Origin {
    for (let length = at.length; length > 0; length--) {
      const line = this.lines.get(pathKey(at.slice(0, length)));
      if (line !== undefined) return { source: this.label, line, file: this.file };
    }
    return { source: this.label, file: this.file };
  }

  /** The section under `key` as a source of its own, or undefined when there is none. */
  section(key: string): ConfigSource | undefined {
    const value = this.value[key];
    if (value === undefined) return undefined;
    const prefix = `${pathKey([key])}.`;
    const lines = [...this.lines]
      .filter(([at]) => at.startsWith(prefix))
      .map(([at, line]): [string, number] => [at.slice(prefix.length), line]);
    return new ConfigSource(this.file, this.label, asSettings(value, `${this.label}: key ${key}`), new Map(lines));
  }
}

/** Reads a YAML or JSON file's text. @throws UsageError with file and line */
export function parseYamlSource(file: string, label: string, text: string): ConfigSource {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter });
  const [error] = document.errors;
  if (error !== undefined) {
    const line = error.linePos?.[0].line;
    throw syntaxError(line === undefined ? label : `${label}:${String(line)}`, error.message, error);
  }
  const lines = new Map<string, number>();
  collectLines(document.contents, [], lines, lineCounter);
  return new ConfigSource(file, label, asSettings(plainValue(document, label), label), lines);
}

/** Loads a TypeScript or JavaScript file, whose default export is the config. */
export async function importSource(file: string, label: string): Promise<ConfigSource> {
  let loaded: unknown;
  try {
    loaded = await importOutside(file);
  } catch (thrown) {
    throw new UsageError('ESP_CONFIG_LOAD', `${label} threw while it loaded: ${messageOf(thrown)}`, { cause: thrown });
  }
  if (typeof loaded !== 'object' || loaded === null || (isEsModule(loaded) && !('default' in loaded))) {
    throw new UsageError(
      'ESP_CONFIG_LOAD',
      `${label} has no default export; export the config with \`export default\``,
    );
  }
  // CommonJS files export the config itself.
  return new ConfigSource(file, label, asSettings('default' in loaded ? loaded.default : loaded, label));
}

function isEsModule(loaded: object): boolean {
  return '__esModule' in loaded || Object.prototype.toString.call(loaded) === '[object Module]';
}

/** A file as it is printed: relative to `cwd` where it lies within. */
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

function plainValue(document: Document.Parsed, label: string): unknown {
  try {
    return document.toJS();
  } catch (thrown) {
    throw syntaxError(label, messageOf(thrown), thrown);
  }
}

function syntaxError(where: string, message: string, cause: unknown): UsageError {
  const [first = ''] = message.split(/ at line \d+|\n/);
  return new UsageError('ESP_CONFIG_SYNTAX', `${where}: not valid YAML: ${first}`, { cause });
}

function collectLines(node: ParsedNode | null, at: string[], lines: Map<string, number>, counter: LineCounter): void {
  if (node === null || isAlias(node) || !isMap(node)) return;
  for (const { key, value } of node.items) {
    if (!isScalar(key)) continue;
    const path = [...at, String(key.value)];
    lines.set(pathKey(path), counter.linePos(key.range[0]).line);
    collectLines(value, path, lines, counter);
  }
}
