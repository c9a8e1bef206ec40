import type { z } from 'zod';
import { UsageError } from '../errors.js';
import { eachLeaf, isSection, originAt, valueAt, type ComposedConfig } from './composed.js';
import { suggestion } from './nearest.js';
import { parsePath, pathKey, type ConfigPath } from './path.js';
import { ConfigPlaces } from './places.js';
import { knownKeys } from './schema-docs.js';
import { Unread } from './set.js';
import { settingCalled } from './synonyms.js';
import { closestBranch, withTexts, type Issue } from './texts.js';

/**
 * Checks one part of a config with its schema, and notes `default` as the origin of what the schema fills in.
 * @param path where the part stands
 * @param value the part, when it is not just what stands at `path` (a slot's options without its `use`)
 * @returns the schema's output
 * @throws UsageError listing every problem with its file and line
 */
export function checkPart<Output>(
  schema: z.ZodType<Output>,
  path: ConfigPath,
  composed: ComposedConfig,
  value: unknown = partAt(composed, path),
): Output {
  const written = withTexts(schema, path, composed.texts, value);
  const unread = unreadIn(written, path, composed);
  if (unread.length > 0) throw problems(unread);
  const result = schema.safeParse(written);
  if (!result.success) {
    const checked = { schema, path, composed, value: written };
    throw problems(result.error.issues.flatMap((issue) => describeIssue(issue, checked)));
  }
  addDefaults(result.data, path, composed);
  return result.data;
}

/** A wrong thing in a config. */
export interface Problem {
  code: 'ESP_CONFIG_KEY' | 'ESP_CONFIG_VALUE';
  /** With the place: `file:line: key …`. */
  text: string;
}

/** One error for all of them. */
export function problems(list: readonly Problem[]): UsageError {
  const code = list.every((problem) => problem.code === 'ESP_CONFIG_KEY') ? 'ESP_CONFIG_KEY' : 'ESP_CONFIG_VALUE';
  const [only] = list;
  if (only !== undefined && list.length === 1) return new UsageError(code, only.text);
  const lines = list.map((problem) => `\n  ${problem.text}`);
  return new UsageError(code, `the config has ${String(list.length)} problems:${lines.join('')}`);
}

/**
 * The problem of a key that nothing takes, with the nearest that is known.
 * @param elsewhere where a key of that name does stand
 */
export function unknownKey(
  path: ConfigPath,
  known: readonly string[],
  composed: ComposedConfig,
  elsewhere: readonly string[] = [],
): Problem {
  const key = path.at(-1) ?? '';
  const within = path.length > 1 ? ` in ${pathKey(path.slice(0, -1))}` : '';
  const hint =
    elsewhere.length > 0
      ? `did you mean ${elsewhere.map((other) => JSON.stringify(other)).join(' or ')}?`
      : known.length === 0
        ? 'it takes no options'
        : (otherName(key, path, known) ?? suggestion(key, known, 'known keys'));
  const anchor =
    composed.origins.get(pathKey(path))?.anchor === true
      ? `; a key that only holds anchors starts with x-: write ${JSON.stringify(`x-${key}`)}`
      : '';
  return {
    code: 'ESP_CONFIG_KEY',
    text: `${new ConfigPlaces(composed).before(path)}unknown key ${JSON.stringify(key)}${within}: ${hint}${anchor}`,
  };
}

/** The setting that other trainers call so, as it is written there: its last key alone where it stands beside. */
function otherName(key: string, path: ConfigPath, known: readonly string[]): string | undefined {
  const meant = settingCalled(key);
  if (meant === undefined) return undefined;
  const full = parsePath(meant);
  const last = full.at(-1) ?? '';
  const isBeside = pathKey(full.slice(0, -1)) === pathKey(path.slice(0, -1));
  if (!isBeside) return `did you mean ${JSON.stringify(meant)}?`;
  return known.includes(last) ? `did you mean ${JSON.stringify(last)}?` : undefined;
}

/** The problem of a value that cannot stand at its key. */
export function wrongValue(path: ConfigPath, what: string, composed: ComposedConfig): Problem {
  return { code: 'ESP_CONFIG_VALUE', text: `${new ConfigPlaces(composed).key(path)}: ${what}` };
}

/**
 * Does what a value asks for.
 * @param hint what to add to an error
 * @throws UsageError what that throws, with the place and the key of the value before it
 */
export async function toldAt<T>(
  path: ConfigPath,
  composed: ComposedConfig,
  work: () => Promise<T>,
  hint: (error: UsageError) => string = () => '',
): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof UsageError)) throw thrown;
    const what = `${thrown.message}${hint(thrown)}`;
    throw new UsageError(thrown.code, wrongValue(path, what, composed).text, { cause: thrown });
  }
}

/** Values of `--set` that are no YAML, where no text is wanted. */
function unreadIn(value: unknown, path: ConfigPath, composed: ComposedConfig): Problem[] {
  const found: Problem[] = [];
  eachLeaf(value, (within, leaf) => {
    if (!(leaf instanceof Unread)) return;
    const at = [...path, ...within];
    const text = JSON.stringify(composed.texts.get(pathKey(at)));
    found.push(wrongValue(at, `${text} is not valid YAML: ${leaf.why}`, composed));
  });
  return found;
}

interface Checked {
  schema: z.ZodType;
  path: ConfigPath;
  composed: ComposedConfig;
  value: unknown;
}

function describeIssue(issue: Issue, checked: Checked): Problem[] {
  const within = issue.path.map(String);
  const at = [...checked.path, ...within];
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(checked.schema, within);
    return issue.keys.map((key) => unknownKey([...at, key], known, checked.composed));
  }
  if (issue.code === 'invalid_union') {
    const closer = closestBranch(issue.errors);
    if (closer !== undefined) {
      return closer.flatMap((inner) => describeIssue({ ...inner, path: [...issue.path, ...inner.path] }, checked));
    }
  }
  const text = checked.composed.texts.get(pathKey(at));
  return [wrongValue(at, what(issue, valueAtIndices(checked.value, within), text), checked.composed)];
}

/** @param text the value as it was written */
function what(issue: Issue, given: unknown, text: string | undefined): string {
  const expected = expectedOf(issue);
  if (given === undefined)
    return expected === undefined ? `it is missing: ${issue.message}` : `it is missing; expected ${expected}`;
  if (given === null && (text ?? '') === '')
    return expected === undefined ? 'it is empty' : `it is empty; expected ${expected}`;
  const shown = isSection(given) || Array.isArray(given) ? '' : ` (${text ?? shownValue(given)})`;
  const hint = hintFor(given, expected);
  if (issue.code === 'invalid_union' && expected !== undefined) return `expected ${expected}${shown}${hint}`;
  return `${issue.message.replace(/^Invalid input: /, '')}${shown}${hint}`;
}

function shownValue(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/** How to write what was meant. */
function hintFor(given: unknown, expected: string | undefined): string {
  if (expected === 'string' && ['number', 'boolean'].includes(typeof given)) {
    return `; put it in quotes: ${JSON.stringify(String(given))}`;
  }
  if (typeof given !== 'string') return '';
  if (expected === 'boolean' && /^(?:yes|on|y|true)$/i.test(given)) return '; write true';
  if (expected === 'boolean' && /^(?:no|off|n|false)$/i.test(given)) return '; write false';
  if (expected !== 'number' && expected !== 'int') return '';
  const digits = given.replaceAll(/(?<=\d)[_',](?=\d)/g, '');
  if (given.trim() === '' || !Number.isFinite(Number(digits))) return '';
  return digits === given ? '; write it without quotes' : `; write ${digits}`;
}

function expectedOf(issue: Issue): string | undefined {
  if (issue.code === 'invalid_type') return issue.expected;
  if (issue.code !== 'invalid_union') return undefined;
  const types = issue.errors.flat().map(expectedOf);
  return types.length > 0 ? [...new Set(types)].join(' or ') : undefined;
}

/** Unlike `valueAt` it goes into lists too. */
function valueAtIndices(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (current, key) => (typeof current === 'object' && current !== null ? Reflect.get(current, key) : undefined),
    value,
  );
}

function partAt(composed: ComposedConfig, path: ConfigPath): unknown {
  const { value, depth } = valueAt(composed.value, path);
  return depth === path.length ? value : {};
}

function addDefaults(output: unknown, path: ConfigPath, composed: ComposedConfig): void {
  eachLeaf(output, (within) => {
    const at = [...path, ...within];
    if (composed.origins.has(pathKey(at))) return;
    // What a schema makes of one value (`keep: 3` → `{ last: 3 }`) comes from where that value stands.
    const { value, depth } = valueAt(composed.value, at);
    const origin = isSection(value) ? undefined : originAt(composed, at.slice(0, depth));
    composed.origins.set(pathKey(at), origin ?? { source: 'default' });
  });
}
