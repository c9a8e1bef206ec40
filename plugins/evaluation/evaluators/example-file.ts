import type { z } from 'zod';
import { messageOf, UsageError } from '../../../core/index.js';
import { readTextFile } from '../../files/contract.js';

/** A record of a JSONL file, and where it is: `data/questions.jsonl:7`. */
export interface Example<T> {
  readonly record: T;
  readonly place: string;
}

/** A JSONL file named in a config: its name there, its path, and the key that names it, with its place. */
export interface ExampleFile {
  readonly name: string;
  readonly path: string;
  readonly key: string;
}

/**
 * Reads the records of a JSONL file: one JSON object per line; blank lines are skipped.
 * @param limit number of records to read from the start; 0: all
 * @throws UsageError naming file, line and key
 */
export function readExamples<T extends z.ZodType>(
  { name, path, key }: ExampleFile,
  schema: T,
  limit: number,
): Example<z.output<T>>[] {
  const examples: Example<z.output<T>>[] = [];
  for (const [index, line] of linesOf(path, key, name).entries()) {
    if (line.trim() === '') continue;
    if (limit > 0 && examples.length === limit) break;
    const place = `${name}:${String(index + 1)}`;
    examples.push({ record: recordOf(line, place, schema), place });
  }
  if (examples.length === 0) throw badExample(key, `${name} is empty: write one example per line`);
  return examples;
}

/** Makes the error for an example, or for a file of examples. */
export function badExample(place: string, what: string, cause?: unknown): UsageError {
  return new UsageError('ESP_EVALUATION_FILE', `${place}: ${what}`, { cause });
}

function linesOf(file: string, key: string, name: string): string[] {
  try {
    return readTextFile(file).split('\n');
  } catch (thrown) {
    throw badExample(key, `${name} cannot be read: ${messageOf(thrown)}`, thrown);
  }
}

function recordOf<T extends z.ZodType>(line: string, place: string, schema: T): z.output<T> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (thrown) {
    throw badExample(place, `is not JSON: ${messageOf(thrown)}; each line must be one JSON object`, thrown);
  }
  const checked = schema.safeParse(parsed);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  const key = issue?.path.map(String).join('.') ?? '';
  throw badExample(place, `${key === '' ? '' : `${key}: `}${issue?.message ?? 'is not a valid example'}`);
}
