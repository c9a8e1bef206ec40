import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { messageOf, UsageError } from '../../../core/index.js';
import { families, importFrom, type Family } from '../../../core/installation.js';
import type { FoundPlugin } from '../../../core/runs.js';
import type { WeightFormat } from './formats.js';

/** The folder with the formats of a family or package: `formats/NAME.ts`. */
const FOLDER = 'formats';
const METHODS = ['recognizes', 'read'] as const;
const TEXTS = ['name', 'use'] as const;

/**
 * Returns the formats of the built-in families, then those of packages.
 * @throws UsageError for a file that exports no format
 */
export async function knownFormats(cwd: string): Promise<WeightFormat[]> {
  const formats: WeightFormat[] = [];
  for (const family of families(cwd)) {
    for (const file of filesOf(family)) formats.push(await formatIn(file, family.source));
  }
  return formats;
}

/** Returns the formats in a plugin class's `static weightFormats`. */
export function formatsOf({ class: plugin, source }: FoundPlugin): readonly WeightFormat[] {
  const listed: unknown = Reflect.get(plugin, 'weightFormats');
  if (listed === undefined) return [];
  if (Array.isArray(listed) && listed.every(isFormat)) return listed;
  throw noFormat(`static weightFormats of ${plugin.name} (${source})`);
}

function filesOf({ folder }: Family): string[] {
  const within = path.join(folder, FOLDER);
  if (!existsSync(within)) return [];
  return readdirSync(within)
    .filter((name) => /^[^.]+\.[cm]?[jt]s$/.test(name))
    .sort()
    .map((name) => path.join(within, name));
}

async function formatIn(file: string, source: string): Promise<WeightFormat> {
  let exported: unknown;
  try {
    ({ exports: exported } = await importFrom(file, source));
  } catch (thrown) {
    if (source === 'built-in') throw thrown;
    throw new UsageError('ESP_FORMAT_EXPORT', `${file} of ${source} threw while it loaded: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
  const format: unknown =
    typeof exported === 'object' && exported !== null ? Reflect.get(exported, 'format') : undefined;
  if (isFormat(format)) return format;
  throw noFormat(`\`format\` of ${file} (${source})`);
}

function isFormat(value: unknown): value is WeightFormat {
  if (typeof value !== 'object' || value === null) return false;
  return (
    METHODS.every((method) => typeof Reflect.get(value, method) === 'function') &&
    TEXTS.every((text) => typeof Reflect.get(value, text) === 'string')
  );
}

function noFormat(what: string): UsageError {
  const needs = `${TEXTS.join(', ')}, ${METHODS.map((method) => `${method}()`).join(' and ')}`;
  return new UsageError(
    'ESP_FORMAT_EXPORT',
    `${what} is not a weight format: it needs ${needs}; see docs/plugins/weight-formats.md`,
  );
}
