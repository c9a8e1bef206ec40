import { fstatSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { UsageError } from '../../../core/errors.js';
import type { Split } from '../../../core/index.js';
import { resolveFrom } from '../../../core/paths.js';

export const formats = ['text', 'jsonl', 'parquet'] as const;
export type Format = (typeof formats)[number];

/** A file, or standard input, to read text from. */
export interface Input {
  /** Name as the user wrote it, for messages. */
  readonly name: string;
  /** Absolute path; null is standard input. */
  readonly file: string | null;
  readonly format: Format;
  /** Bytes on disk; undefined for standard input. */
  readonly size: number | undefined;
  /** Whether it can be read only once: a pipe, or standard input. */
  readonly once?: boolean;
  /** The split that it belongs to; undefined if it is divided by share. */
  readonly split: Split | undefined;
}

export interface InputChoice {
  readonly inputs: readonly string[];
  /** Files that are validation data. */
  readonly val: readonly string[];
  /** Format of all inputs, regardless of their names. */
  readonly format: Format | undefined;
  /** Format of inputs whose name does not say. */
  readonly fallback: Format;
}

/**
 * Finds the files for names and patterns, each once, in the given order and sorted within a pattern. A file that
 * matches both `inputs` and `val` is validation data only.
 * @throws UsageError for a name or pattern without a file
 */
export async function findInputs({ inputs, val, format, fallback }: InputChoice, cwd: string): Promise<Input[]> {
  const seen = new Set<string>();
  const found: Input[] = [];
  const add = async (names: readonly string[], split: Split | undefined): Promise<void> => {
    for (const name of names) {
      for (const file of await filesOf(name, cwd)) {
        const key = keyOf(file);
        if (seen.has(key)) continue;
        seen.add(key);
        const shown = file.path === null ? 'standard input' : file.name;
        found.push({
          name: shown,
          file: file.path,
          format: format ?? (file.path === null ? fallback : formatOf(file.name, fallback)),
          size: file.size,
          ...(file.size === undefined ? { once: true } : {}),
          split,
        });
      }
    }
  };
  await add(val, 'val');
  await add(inputs, val.length > 0 ? 'train' : undefined);
  if (!found.some(({ split }) => split !== 'val')) {
    throw new UsageError('ESP_PREPARE_SPLIT', 'every input is validation data (--val), so there is no training data');
  }
  return found;
}

interface FoundFile {
  readonly name: string;
  readonly path: string | null;
  readonly size: number | undefined;
}

async function filesOf(name: string, cwd: string): Promise<FoundFile[]> {
  if (name === '-') return [{ name, path: null, size: undefined }];
  const file = resolveFrom(cwd, name);
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats?.isDirectory() === true) {
    throw new UsageError(
      'ESP_PREPARE_INPUT',
      `${name} is a folder: give its files, e.g. '${path.join(name, '**/*.txt')}'`,
    );
  }
  if (stats !== undefined) return [{ name, path: file, size: stats.isFile() ? stats.size : undefined }];
  // On Windows backslashes are separators, but in a pattern they escape the next character.
  const pattern = name.replaceAll(path.sep, '/');
  if (!isDynamicPattern(pattern)) throw new UsageError('ESP_PREPARE_INPUT', `${name}: there is no file ${file}`);
  const matches = (await glob(pattern, { cwd, expandDirectories: false })).sort();
  if (matches.length === 0) throw new UsageError('ESP_PREPARE_INPUT', `${name} matches no file in ${cwd}`);
  return matches.map((match) => {
    const matched = path.resolve(cwd, match);
    const stats = statSync(matched);
    return { name: match, path: matched, size: stats.isFile() ? stats.size : undefined };
  });
}

/** Returns an equal key for two names of the same file or pipe: `/dev/stdin` is standard input. */
function keyOf({ path: file, size }: FoundFile): string {
  if (file !== null && size !== undefined) return realpathSync(file);
  const { dev, ino } = file === null ? fstatSync(process.stdin.fd) : statSync(file);
  return `${String(dev)}:${String(ino)}`;
}

/** Returns the format of an input. @throws UsageError for an unsupported format that its content would not show */
function formatOf(name: string, fallback: Format): Format {
  const extension = path.extname(name.replace(/\.(gz|zst|zstd)$/i, '')).toLowerCase();
  const advice = notRead[extension];
  if (advice !== undefined) {
    throw new UsageError('ESP_PREPARE_FORMAT', `${name} is ${advice(name)}; --format text reads it as plain text`);
  }
  if (['.jsonl', '.ndjson', '.jsonlines', '.json'].includes(extension)) return 'jsonl';
  if (['.parquet', '.pq'].includes(extension)) return 'parquet';
  return ['.txt', '.md'].includes(extension) ? 'text' : fallback;
}

const table = (what: string, delimiter: string) => (name: string) =>
  `${what}: convert it to JSONL or Parquet, for example with \`python3 -c "import csv, json; [print(json.dumps(row)) for row in csv.DictReader(open('${name}', encoding='utf-8-sig', newline='')${delimiter})]" > ${path.basename(name, path.extname(name))}.jsonl\`, and name the column of the text with --field`;

/** Unsupported formats by file extension, with how to convert them. */
const notRead: Readonly<Record<string, (name: string) => string>> = {
  '.csv': table('a CSV table', ''),
  '.tsv': table('a TSV table', ", delimiter='\\t'"),
  '.br': () => 'Brotli: unpack it first with `brotli -d`',
  '.lzma': () => 'LZMA: unpack it first with `unlzma`',
};
