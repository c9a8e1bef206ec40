import { UsageError } from '../errors.js';
import { originAt, showOrigin, writtenAt, type ComposedConfig, pathKey, type ConfigPath } from './composed.js';
import { suggestion } from './nearest.js';

/** Something wrong in a config. */
export interface Finding {
  /** `ESP_CONFIG_KEY`, `ESP_CONFIG_VALUE`, or that of the error that the value led to. */
  readonly code: string;
  readonly path: ConfigPath;
  /** Where it was written, `file:line` or `--set`; undefined for a default. */
  readonly place: string | undefined;
  /** What is wrong and what to write, without the place. */
  readonly text: string;
  readonly cause?: UsageError;
  /** Of a key that may be another program's name for a setting: the keys that are known there, and the text with a hint. */
  readonly unknown?: { readonly known: readonly string[]; readonly textWith: (hint: string) => string };
}

/** What checking gave: the checked value, or what is wrong with it. */
export type Checked<Value> =
  | { readonly value: Value; readonly findings?: undefined }
  | { readonly value?: undefined; readonly findings: readonly Finding[] };

/** The value that was checked. @throws UsageError listing all that is wrong with it */
export function accepted<Value>(checked: Checked<Value>): Value {
  if (checked.findings !== undefined) throw problems(checked.findings);
  return checked.value;
}

/** One error for all of them, with the code that they share, else `ESP_CONFIG_VALUE`. */
export function problems(findings: readonly Finding[]): UsageError {
  const codes = new Set(findings.map(({ code }) => code));
  const code = codes.size === 1 ? [...codes].join('') : 'ESP_CONFIG_VALUE';
  const [only] = findings;
  if (only !== undefined && findings.length === 1)
    return new UsageError(code, shownFinding(only), { cause: only.cause });
  const lines = findings.map((finding) => `\n  ${shownFinding(finding)}`);
  return new UsageError(code, `the config has ${String(findings.length)} problems:${lines.join('')}`);
}

/** `file:line: what is wrong` */
export function shownFinding({ place, text }: Finding): string {
  return place === undefined ? text : `${place}: ${text}`;
}

/** A value that its key cannot have; a missing one has the place of what is around it. */
export function wrongValue(path: ConfigPath, what: string, composed: ComposedConfig): Finding {
  return { code: 'ESP_CONFIG_VALUE', path, place: placeAround(path, composed), text: `key ${pathKey(path)}: ${what}` };
}

/**
 * A key that nothing takes, with the nearest that is known.
 * @param elsewhere where a key of that name is known
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

/** What was wrong with what a value asks for, as an error says it. */
export function failedAt(path: ConfigPath, error: UsageError, composed: ComposedConfig): Finding {
  const origin = writtenAt(composed, path);
  const place = origin === undefined ? undefined : showOrigin(origin);
  return { code: error.code, path, place, text: `key ${pathKey(path)}: ${error.message}`, cause: error };
}

/**
 * Does the work that a value asks for.
 * @throws UsageError what the work throws, with the value's place and key before it
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
