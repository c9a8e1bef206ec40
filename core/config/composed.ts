/** Scalars as written, by `pathKey`, if that differs from the value read: `0012`, `null`, `[a]`. */
export type Texts = ReadonlyMap<string, string>;

/** Where a value of a config was written. */
export interface Origin {
  /** Printed in messages: a file (relative to the working folder, or `presets/NAME.yaml`), `--set` or `default`. */
  source: string;
  /** Line in the file, from 1; unknown for code files. */
  line?: number;
  /** Absolute path of the file. */
  file?: string;
  /** A plugin path as written in that file, if the config holds it relative to another folder. */
  written?: string;
  /** True for a top-level key whose value defines a YAML anchor. */
  anchor?: boolean;
  /** Number of the merged layer; higher numbers override lower ones. Default: 0. */
  layer?: number;
}

/** A map of settings; deeply frozen after composition. */
export type Settings = Readonly<Record<string, unknown>>;

/** A config after composition, before schemas are applied; deeply frozen. */
export interface ComposedConfig {
  /** The merged settings, slots in their long form (`{ use: … }`), without `extends`. */
  readonly value: Settings;
  /** The origin of every leaf and every section, by `pathKey`. */
  readonly origins: ReadonlyMap<string, Readonly<Origin>>;
  /** Scalars as written, if that differs from the value read. */
  readonly texts: Texts;
  /** The merged layers, weakest first. */
  readonly layers: readonly string[];
  /** Absolute paths of the files among the layers. */
  readonly files: readonly string[];
  /** What each preset and file set, including values that a later layer overrides. */
  readonly given: Given;
}

/** Values by source (as `Origin` prints it) and `pathKey`. */
export type Given = Readonly<Record<string, Settings>>;

/** A `--set` value that is not valid YAML; an option that takes text uses it as typed. */
export class Unread {
  constructor(
    /** The YAML error. */
    readonly why: string,
  ) {}
}

/** The place of a value in a config: keys from the top, e.g. `['model', 'n_head']`. */
export type ConfigPath = readonly string[];

/**
 * Returns the path as `--set` takes it: keys joined by dots, a key that contains a dot in double quotes
 * (`plugins."./my-plugin.ts".above`). Different paths give different strings; `parsePath` is its inverse.
 */
export function pathKey(path: ConfigPath): string {
  return path.map((key) => (BARE_KEY.test(key) ? key : JSON.stringify(key))).join('.');
}

const BARE_KEY = /^[^.="'\s]+$/;

/** Returns `source:line`. */
export function showOrigin({ source, line }: Origin): string {
  return line === undefined ? source : `${source}:${String(line)}`;
}

/** Returns the origin of a value, or of the closest enclosing section that has one. */
export function originAt(composed: ComposedConfig, path: ConfigPath): Origin | undefined {
  for (let length = path.length; length > 0; length--) {
    const origin = composed.origins.get(pathKey(path.slice(0, length)));
    if (origin !== undefined) return origin;
  }
  return undefined;
}

/**
 * Returns where a value of the checked config was written, undefined for a default. A value that a schema derived from
 * another (`keep: 3` → `{ last: 3 }`) has the place of the original.
 */
export function writtenAt(composed: ComposedConfig, path: ConfigPath): Origin | undefined {
  const exact = composed.origins.get(pathKey(path));
  if (exact !== undefined) return exact;
  const { value, depth } = valueAt(composed.value, path);
  return isSection(value) ? undefined : originAt(composed, path.slice(0, depth));
}

/** A setting and where it was written. */
export interface Explained {
  /** Dotted path. */
  path: string;
  value: unknown;
  /** `presets/char-small.yaml:4`, `--set`, `default`. */
  origin: string;
  /** The plugin path as written, relative to that file. */
  written?: string;
}

/**
 * Returns every setting with its origin.
 * @param finalValue the config to explain: `composed.value`, or the same with defaults filled in
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

/** Looks up where a config value was written, for error messages. Inject it by this class. */
export class ConfigPlaces {
  constructor(private readonly composed: ComposedConfig) {}

  /** Returns `file:line` of the value at the path, or only the file or `--set`; undefined for a default. */
  of(path: ConfigPath): string | undefined {
    const origin = writtenAt(this.composed, path);
    return origin === undefined ? undefined : showOrigin(origin);
  }

  /** Returns `file:line: ` to start a message with; empty for a default. */
  before(path: ConfigPath): string {
    const place = this.of(path);
    return place === undefined ? '' : `${place}: `;
  }

  /** Returns the key after its place: `file:line: key model.n_head`. */
  key(path: ConfigPath): string {
    return `${this.before(path)}key ${pathKey(path)}`;
  }
}

/** Returns the value at a path and how many of its keys were found: fewer than all if the path does not exist. */
export function valueAt(value: unknown, path: ConfigPath): { value: unknown; depth: number } {
  let current = value;
  for (const [depth, key] of path.entries()) {
    if (!isSection(current) || !Object.hasOwn(current, key)) return { value: current, depth };
    current = current[key];
  }
  return { value: current, depth: path.length };
}

/** Returns true for objects that hold settings; lists and class instances are values. */
export function isSection(value: unknown): value is Settings {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Deep-freezes a value and returns it. */
export function frozen<T>(value: T): T {
  if (Array.isArray(value) || isSection(value)) Object.values(Object.freeze(value)).forEach(frozen);
  return value;
}

/** Calls `visit` for every leaf: values that are not sections, and empty sections. */
export function eachLeaf(value: unknown, visit: (path: string[], leaf: unknown) => void, path: string[] = []): void {
  if (isSection(value) && Object.keys(value).length > 0) {
    for (const [key, child] of Object.entries(value)) eachLeaf(child, visit, [...path, key]);
  } else {
    visit(path, value);
  }
}
