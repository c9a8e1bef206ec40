import type { z } from 'zod';
import {
  eachLeaf,
  isSection,
  Unread,
  valueAt,
  type ComposedConfig,
  type Texts,
  pathKey,
  type ConfigPath,
} from './composed.js';
import { unknownKey, wrongValue, type Checked, type Finding } from './findings.js';
import { knownKeys } from './json-schema.js';

/**
 * Checks one part of a config with its schema.
 * @param path path of the part
 * @param value the part, if it differs from the value at `path` (a slot's options without its `use`)
 * @returns the schema's output, or the errors, each with file and line
 */
export function checkPart<Output>(
  schema: z.ZodType<Output>,
  path: ConfigPath,
  composed: ComposedConfig,
  value: unknown = partAt(composed, path),
): Checked<Output> {
  const written = withTexts(schema, path, composed.texts, value);
  const unread = unreadIn(written, path, composed);
  if (unread.length > 0) return { findings: unread };
  const result = schema.safeParse(written);
  if (result.success) return { value: result.data };
  const part = { schema, path, composed, value: written };
  return { findings: result.error.issues.flatMap((issue) => describeIssue(issue, part)) };
}

/** Finds `--set` values that are not valid YAML at options that do not take text. */
function unreadIn(value: unknown, path: ConfigPath, composed: ComposedConfig): Finding[] {
  const found: Finding[] = [];
  eachLeaf(value, (within, leaf) => {
    if (!(leaf instanceof Unread)) return;
    const at = [...path, ...within];
    const text = JSON.stringify(composed.texts.get(pathKey(at)));
    found.push(wrongValue(at, `${text} is not valid YAML: ${leaf.why}`, composed));
  });
  return found;
}

interface Part {
  schema: z.ZodType;
  path: ConfigPath;
  composed: ComposedConfig;
  value: unknown;
}

function describeIssue(issue: Issue, part: Part): Finding[] {
  const within = issue.path.map(String);
  const at = [...part.path, ...within];
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(part.schema, within);
    return issue.keys.map((key) => unknownKey([...at, key], known, part.composed));
  }
  if (issue.code === 'invalid_union') {
    const closer = closestBranch(issue.errors);
    if (closer !== undefined) {
      return closer.flatMap((inner) => describeIssue({ ...inner, path: [...issue.path, ...inner.path] }, part));
    }
  }
  const text = part.composed.texts.get(pathKey(at));
  return [wrongValue(at, what(issue, valueAtIndices(part.value, within), text), part.composed)];
}

/** @param text the value as written */
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

/** Suggests how to write the value, if a wrong type is easy to correct. */
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

/** Unlike `valueAt`, follows indices into lists too. */
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

/**
 * Returns part of a config with scalars as written wherever its schema takes text: a run named 0012 is not one named
 * 12.
 * @param path path of the part
 */
export function withTexts(schema: z.ZodType, path: ConfigPath, texts: Texts, value: unknown): unknown {
  if (texts.size === 0) return value;
  let current = value;
  for (;;) {
    const result = schema.safeParse(current);
    const wanted = result.success ? [] : textsWanted(result.error.issues, []);
    const next = wanted.reduce<unknown>((part, within) => {
      const text = texts.get(pathKey([...path, ...within]));
      return text === undefined ? part : replaced(part, within, text);
    }, current);
    if (next === current) return current;
    current = next;
  }
}

/**
 * Picks the union alternative that the value was meant for: one whose error lies inside the value, or is not about its
 * type.
 */
function closestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  return branches.find((issues) => issues.some((issue) => issue.path.length > 0 || issue.code !== 'invalid_type'));
}

type Issue = z.core.$ZodIssue;

function textsWanted(issues: readonly Issue[], at: ConfigPath): ConfigPath[] {
  return issues.flatMap((issue) => {
    const path = [...at, ...issue.path.map(String)];
    if (issue.code === 'invalid_union') return textsWanted(closestBranch(issue.errors) ?? issue.errors.flat(), path);
    return issue.code === 'invalid_type' && issue.expected === 'string' ? [path] : [];
  });
}

/** Returns a copy with `text` at a path, or the value itself if the text is already there. */
function replaced(value: unknown, [key, ...rest]: ConfigPath, text: string): unknown {
  if (key === undefined) return typeof value === 'string' ? value : text;
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    const inner = replaced(items[Number(key)], rest, text);
    return inner === items[Number(key)] ? value : items.map((item, index) => (String(index) === key ? inner : item));
  }
  if (!isSection(value)) return value;
  const inner = replaced(value[key], rest, text);
  return inner === value[key] ? value : { ...value, [key]: inner };
}
