/** Scalars as they were written, by `pathKey`, where that is not what they were read as: `0012`, `null`, `[a]`. */
export type Texts = ReadonlyMap<string, string>;

/** The place that a value of a config was written at. */
export interface Origin {
  /** What is printed: a file (relative to the working folder, or `presets/NAME.yaml`), `--set` or `default`. */
  source: string;
  /** Line in the file, from 1; not known for files of code. */
  line?: number;
  /** Absolute path of the file. */
  file?: string;
  /** The path of a plugin as it stands there, where the config has it relative to another folder. */
  written?: string;
  /** A key at the top whose value holds a YAML anchor. */
  anchor?: boolean;
  /** Which of the layers that were merged it is, later (stronger) ones with higher numbers; 0 when not given. */
  layer?: number;
}

/** A map of settings. Nothing changes one after composition, nor what it holds. */
export type Settings = Readonly<Record<string, unknown>>;

/** A config after composition and before its schemas are applied; frozen, with all that it holds. */
export interface ComposedConfig {
  /** The merged settings, slots in their long form (`{ use: … }`), without `extends`. */
  readonly value: Settings;
  /** By `pathKey`: of every leaf and of every section. */
  readonly origins: ReadonlyMap<string, Readonly<Origin>>;
  /** Scalars as they were written, where that is not what they were read as. */
  readonly texts: Texts;
  /** What was merged, first (weakest) to last. */
  readonly layers: readonly string[];
  /** The files among them, absolute. */
  readonly files: readonly string[];
  /** What each preset and file gave by itself, whether or not something replaced it. */
  readonly given: Given;
}

/** Values by source (as `Origin` prints it), and by `pathKey`. */
export type Given = Readonly<Record<string, Settings>>;

/** The value of a `--set` that is no YAML: an option that wants text takes it as it was typed. */
export class Unread {
  constructor(
    /** What is wrong with it as YAML. */
    readonly why: string,
  ) {}
}

/** Where a value stands in a config: keys from the top, e.g. `['model', 'n_head']`. */
export type ConfigPath = readonly string[];

/**
 * The path as `--set` takes it: keys joined by dots, a key that holds a dot in double quotes
 * (`plugins."./my-plugin.ts".above`). Different paths give different strings; `parsePath` is its inverse.
 */
export function pathKey(path: ConfigPath): string {
  return path.map((key) => (BARE_KEY.test(key) ? key : JSON.stringify(key))).join('.');
}

const BARE_KEY = /^[^.="'\s]+$/;

/** `source:line` */
export function showOrigin({ source, line }: Origin): string {
  return line === undefined ? source : `${source}:${String(line)}`;
}

/** The origin of a value, or of the closest section around it that has one. */
export function originAt(composed: ComposedConfig, path: ConfigPath): Origin | undefined {
  for (let length = path.length; length > 0; length--) {
    const origin = composed.origins.get(pathKey(path.slice(0, length)));
    if (origin !== undefined) return origin;
  }
  return undefined;
}

/**
 * Where a value of the checked config was written; what a schema made of another value (`keep: 3` → `{ last: 3 }`) comes
 * from that one's place. Undefined for a default.
 */
export function writtenAt(composed: ComposedConfig, path: ConfigPath): Origin | undefined {
  const exact = composed.origins.get(pathKey(path));
  if (exact !== undefined) return exact;
  const { value, depth } = valueAt(composed.value, path);
  return isSection(value) ? undefined : originAt(composed, path.slice(0, depth));
}

/** One setting of a config and where it was written. */
export interface Explained {
  /** Dotted. */
  path: string;
  value: unknown;
  /** `presets/char-small.yaml:4`, `--set`, `default`. */
  origin: string;
  /** The path of a plugin as it stands there, relative to that file. */
  written?: string;
}

/**
 * Every setting with its origin.
 * @param finalValue the config to explain: `composed.value`, or that with what schemas filled in
 */
export function explainLines(composed: ComposedConfig, finalValue: Settings): Explained[] {
  const lines: Explained[] = [];
  eachLeaf(finalValue, (path, value) => {
    if (path.length === 0) return;
    const origin = writtenAt(composed, path);
    const written = origin?.written === undefined ? {} : { written: origin.written };
    lines.push({
      path: pathKey(path),
      value,
      origin: origin === undefined ? 'default' : showOrigin(origin),
      ...written,
    });
  });
  return lines;
}

/** Tells where the values of a run's config were written, for errors about them. Inject it by this class. */
export class ConfigPlaces {
  constructor(private readonly composed: ComposedConfig) {}

  /** `file:line` of the value at the path, or the file or `--set` alone; undefined where it is a default. */
  of(path: ConfigPath): string | undefined {
    const origin = writtenAt(this.composed, path);
    return origin === undefined ? undefined : showOrigin(origin);
  }

  /** The same as the start of a message, `file:line: `; nothing where it is a default. */
  before(path: ConfigPath): string {
    const place = this.of(path);
    return place === undefined ? '' : `${place}: `;
  }

  /** The key with its place before it, `file:line: key model.n_head`. */
  key(path: ConfigPath): string {
    return `${this.before(path)}key ${pathKey(path)}`;
  }
}

/** The value at a path, and how many of its keys there are: fewer than the path's when it leads nowhere. */
export function valueAt(value: unknown, path: ConfigPath): { value: unknown; depth: number } {
  let current = value;
  for (const [depth, key] of path.entries()) {
    if (!isSection(current) || !Object.hasOwn(current, key)) return { value: current, depth };
    current = current[key];
  }
  return { value: current, depth: path.length };
}

/** True for objects that hold settings; lists and instances of classes are values. */
export function isSection(value: unknown): value is Settings {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** A value with all that it holds, which nothing can change from here on. */
export function frozen<T>(value: T): T {
  if (Array.isArray(value) || isSection(value)) Object.values(Object.freeze(value)).forEach(frozen);
  return value;
}

/** Calls `visit` for every leaf: values that are not sections, and sections that are empty. */
export function eachLeaf(value: unknown, visit: (path: string[], leaf: unknown) => void, path: string[] = []): void {
  if (isSection(value) && Object.keys(value).length > 0) {
    for (const [key, child] of Object.entries(value)) eachLeaf(child, visit, [...path, key]);
  } else {
    visit(path, value);
  }
}
