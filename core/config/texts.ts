import type { z } from 'zod';
import { isSection, type Texts } from './composed.js';
import { pathKey, type ConfigPath } from './path.js';

/**
 * A part of a config with scalars as they were written wherever its schema wants text: the run named 0012 is not the
 * run named 12.
 * @param path of the part
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

/** The alternative that a value was meant for: one that objects to something within it, or to other than its type. */
export function closestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  return branches.find((issues) => issues.some((issue) => issue.path.length > 0 || issue.code !== 'invalid_type'));
}

export type Issue = z.core.$ZodIssue;

function textsWanted(issues: readonly Issue[], at: ConfigPath): ConfigPath[] {
  return issues.flatMap((issue) => {
    const path = [...at, ...issue.path.map(String)];
    if (issue.code === 'invalid_union') return textsWanted(closestBranch(issue.errors) ?? issue.errors.flat(), path);
    return issue.code === 'invalid_type' && issue.expected === 'string' ? [path] : [];
  });
}

/** A copy with text at a path; the value itself where that has text there already. */
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
