import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** The page with the meaning of every error code: meanings and sections are written in it by hand, the rest is not. */
const FILE = 'docs/reference/errors.md';
const CODE = /\bESP_[A-Z0-9_]*[A-Z0-9]\b/g;

/**
 * The page as it should be: its own text, with a row for every code that the source has and where it is thrown. Codes
 * that are gone lose their row; a new one gets a row without a meaning in the last table.
 */
export function errorsPage(): string {
  const thrown = whereThrown();
  const text = readFileSync(FILE, 'utf8');
  const known = new Set(text.match(CODE) ?? []);
  const added = [...thrown.keys()].filter((code) => !known.has(code));
  const tables = text.split(/((?:^\|.*\n)+)/m);
  const last = tables.findLastIndex((part) => part.startsWith('|'));
  return tables
    .map((part, index) => (part.startsWith('|') ? table(part, thrown, index === last ? added : []) : part))
    .join('');
}

/** Codes whose row has no meaning. */
export function codesWithoutMeaning(): string[] {
  return rowsOf(readFileSync(FILE, 'utf8')).flatMap(([code, meaning]) => (meaning === '' ? [code] : []));
}

function table(part: string, thrown: ReadonlyMap<string, readonly string[]>, added: readonly string[]): string {
  const rows = [...rowsOf(part), ...added.map((code): [string, string] => [code, ''])]
    .filter(([code]) => thrown.has(code))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, meaning]) => `| \`${code}\` | ${meaning} | ${(thrown.get(code) ?? []).join(', ')} |`);
  return ['| Code | Meaning | From |', '| --- | --- | --- |', ...rows, ''].join('\n');
}

/** Code and meaning of each row of the tables of a text. */
function rowsOf(text: string): [code: string, meaning: string][] {
  return [...text.matchAll(/^\| `(ESP_\w+)` *\| (.*?) *\|(?:[^|\n]*\|)?$/gm)].map(([, code = '', meaning = '']) => [
    code,
    meaning.trim(),
  ]);
}

/** By code, the families that have it in their source; `core` for the core. */
function whereThrown(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, Set<string>>();
  for (const folder of ['core', 'plugins']) {
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    for (const file of files) {
      const [family = ''] = folder === 'core' ? ['core'] : file.split(path.sep);
      for (const code of readFileSync(path.join(folder, file), 'utf8').match(CODE) ?? []) {
        found.set(code, (found.get(code) ?? new Set()).add(family));
      }
    }
  }
  return new Map([...found].map(([code, families]) => [code, [...families].sort()]));
}
