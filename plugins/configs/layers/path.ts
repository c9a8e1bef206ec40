import { UsageError } from '../../../core/errors.js';

/** Parses a dotted path. @throws UsageError for an empty key or an unclosed quote */
export function parsePath(text: string): string[] {
  const { path, rest } = readPath(text);
  if (rest !== '') throw badPath(text, `there is "${rest}" after it`);
  return path;
}

/**
 * Parses a dotted path at the start of `text`, up to an `=` outside quotes.
 * @returns the path and the rest, including `=`
 */
export function readPath(text: string): { path: string[]; rest: string } {
  const path: string[] = [];
  let at = 0;
  for (;;) {
    const match = KEY.exec(text.slice(at));
    if (match === null) throw badPath(text, 'a key is empty, or a quote is not closed');
    path.push(unquote(match[0], text));
    at += match[0].length;
    if (text[at] !== '.') return { path, rest: text.slice(at) };
    at += 1;
  }
}

const KEY = /^(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^.="'\s]+)/;

function unquote(key: string, whole: string): string {
  if (key.startsWith("'")) return key.slice(1, -1);
  if (!key.startsWith('"')) return key;
  try {
    return String(JSON.parse(key));
  } catch {
    throw badPath(whole, `${key} is not a quoted key`);
  }
}

function badPath(text: string, why: string): UsageError {
  return new UsageError(
    'ESP_CONFIG_PATH',
    `"${text}" is not the path of a setting: ${why}. Join keys with dots, and quote a key that contains a dot: plugins."./my-plugin.ts".above`,
  );
}
