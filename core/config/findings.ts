import { UsageError } from '../errors.js';
import { originAt, showOrigin, writtenAt, type ComposedConfig, pathKey, type ConfigPath } from './composed.js';
import { suggestion } from './nearest.js';

/** An error in a config. */
export interface Finding {
  /** `ESP_CONFIG_KEY`, `ESP_CONFIG_VALUE`, or the code of `cause`. */
  readonly code: string;
  readonly path: ConfigPath;
  /** Where the value was written, `file:line` or `--set`; undefined for a default. */
  readonly place: string | undefined;
  /** What is wrong and what to write, without the place. */
  readonly text: string;
  readonly cause?: UsageError;
  /**
   * Set for a key that may be another program's name for a setting: the known keys there, and the text with a hint
   * added.
   */
  readonly unknown?: { readonly known: readonly string[]; readonly textWith: (hint: string) => string };
}

/** The result of a check: the checked value, or the errors found. */
export type Checked<Value> =
  | { readonly value: Value; readonly findings?: undefined }
  | { readonly value?: undefined; readonly findings: readonly Finding[] };

/** Returns the checked value. @throws UsageError listing every finding */
export function accepted<Value>(checked: Checked<Value>): Value {
  if (checked.findings !== undefined) throw problems(checked.findings);
  return checked.value;
}

/** Combines findings into one error, with their common code or else `ESP_CONFIG_VALUE`. */
export function problems(findings: readonly Finding[]): UsageError {
  const codes = new Set(findings.map(({ code }) => code));
  const code = codes.size === 1 ? [...codes].join('') : 'ESP_CONFIG_VALUE';
  const [only] = findings;
  if (only !== undefined && findings.length === 1)
    return new UsageError(code, shownFinding(only), { cause: only.cause });
  const lines = findings.map((finding) => `\n  ${shownFinding(finding)}`);
  return new UsageError(code, `the config has ${String(findings.length)} problems:${lines.join('')}`);
}

/** Returns `file:line: what is wrong`. */
export function shownFinding({ place, text }: Finding): string {
  return place === undefined ? text : `${place}: ${text}`;
}

/**
 * Returns the finding for a value that its key does not accept; a missing value gets the place of its enclosing
 * section.
 */
export function wrongValue(path: ConfigPath, what: string, composed: ComposedConfig): Finding {
  return { code: 'ESP_CONFIG_VALUE', path, place: placeAround(path, composed), text: `key ${pathKey(path)}: ${what}` };
}

/**
 * Returns the finding for an unknown key, with the nearest known one.
 * @param elsewhere paths at which this key is known
 */
export function unknownKey(
  path: ConfigPath,
  known: readonly string[],
  composed: ComposedConfig,
  elsewhere: readonly string[] = [],
): Finding {
  const key = path.at(-1) ?? '';
  const within = path.length > 1 ? ` in ${pathKey(path.slice(0, -1))}` : '';
  const anchor =
    composed.origins.get(pathKey(path))?.anchor === true
      ? `; a key that only holds anchors starts with x-: write ${JSON.stringify(`x-${key}`)}`
      : '';
  const textWith = (hint: string): string => `unknown key ${JSON.stringify(key)}${within}: ${hint}${anchor}`;
  const finding = { code: 'ESP_CONFIG_KEY', path, place: placeAround(path, composed) };
  if (elsewhere.length > 0) {
    return {
      ...finding,
      text: textWith(`did you mean ${elsewhere.map((other) => JSON.stringify(other)).join(' or ')}?`),
    };
  }
  if (known.length === 0) return { ...finding, text: textWith('it takes no options') };
  return { ...finding, text: textWith(suggestion(key, known, 'known keys')), unknown: { known, textWith } };
}

/** Returns the finding for an error that a value led to. */
export function failedAt(path: ConfigPath, error: UsageError, composed: ComposedConfig): Finding {
  const origin = writtenAt(composed, path);
  const place = origin === undefined ? undefined : showOrigin(origin);
  return { code: error.code, path, place, text: `key ${pathKey(path)}: ${error.message}`, cause: error };
}

/**
 * Runs work that a config value asked for.
 * @throws UsageError from the work, with the value's place and key in front
 */
export async function withPlace<T>(path: ConfigPath, composed: ComposedConfig, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw thrown instanceof UsageError ? problems([failedAt(path, thrown, composed)]) : thrown;
  }
}

function placeAround(path: ConfigPath, composed: ComposedConfig): string | undefined {
  const origin = originAt(composed, path);
  return origin === undefined ? undefined : showOrigin(origin);
}
