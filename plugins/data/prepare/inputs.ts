import { fstatSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { UsageError } from '../../../core/errors.js';
import type { Split } from '../../../core/index.js';
import { resolveFrom } from '../../../core/paths.js';

export const formats = ['text', 'jsonl', 'parquet'] as const;
export type Format = (typeof formats)[number];

/** One file, or standard input, that text is read from. */
export interface Input {
  /** As the user wrote it, for messages. */
  readonly name: string;
  /** Absolute path; null is standard input. */
  readonly file: string | null;
  readonly format: Format;
  /** Bytes on disk; unknown for standard input. */
  readonly size: number | undefined;
  /** A pipe, whatever its path, or standard input: it can be read once. */
  readonly once?: boolean;
  /** The split that all of it belongs to; undefined where it is divided by share. */
  readonly split: Split | undefined;
}

export interface InputChoice {
  readonly inputs: readonly string[];
  /** Files that are validation data, whole. */
  readonly val: readonly string[];
  /** Format of every input, whatever its name. */
  readonly format: Format | undefined;
  /** Format of inputs whose name does not tell. */
  readonly fallback: Format;
}

/**
 * The files that names and patterns stand for, each once, in the order given and sorted within a pattern.
 * What is validation data is not training data, also where both patterns match it.
 * @throws UsageError for a name or pattern that stands for no file
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
      `${name} is a folder: name its files, e.g. '${path.join(name, '**/*.txt')}'`,
    );
  }
  if (stats !== undefined) return [{ name, path: file, size: stats.isFile() ? stats.size : undefined }];
  // Backslashes are separators on Windows, and escape what follows them in a pattern.
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

/** The same for two names of one file, or of one pipe: `/dev/stdin` is standard input. */
function keyOf({ path: file, size }: FoundFile): string {
  if (file !== null && size !== undefined) return realpathSync(file);
  const { dev, ino } = file === null ? fstatSync(process.stdin.fd) : statSync(file);
  return `${String(dev)}:${String(ino)}`;
}

/** @throws UsageError for a format that is not read, and whose content does not show it */
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

/** What files with these names are, and how to read them. */
const notRead: Readonly<Record<string, (name: string) => string>> = {
  '.csv': table('a CSV table', ''),
  '.tsv': table('a TSV table', ", delimiter='\\t'"),
  '.br': () => 'Brotli: unpack it first with `brotli -d`',
  '.lzma': () => 'LZMA: unpack it first with `unlzma`',
};
