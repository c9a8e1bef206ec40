import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { UsageError } from '../../../core/errors.js';
import { packageFamilies, presetFolder } from '../../../core/installation.js';

/** A preset of espalier or of a package. */
export interface Preset {
  readonly name: string;
  /** The comment on its first line. */
  readonly summary: string;
  /** Absolute path. */
  readonly file: string;
  /** `built-in`, or the package. */
  readonly source: string;
}

/**
 * Lists espalier's presets, and those of packages that the project in `cwd` depends on, by name.
 * @param cwd the working folder; default: only espalier's presets
 * @throws UsageError when two have the same name
 */
export function listPresets(cwd?: string): Preset[] {
  const presets = presetsIn(presetFolder, 'built-in');
  for (const { source, presets: folder } of cwd === undefined ? [] : packageFamilies(cwd)) {
    for (const preset of folder === undefined ? [] : presetsIn(folder, source)) {
      const other = presets.find(({ name }) => name === preset.name);
      if (other !== undefined) {
        throw new UsageError(
          'ESP_PRESET_TWICE',
          `two presets are named ${preset.name}: ${other.file} and ${preset.file} of the package ${source}; remove a package, or rename its preset`,
        );
      }
      presets.push(preset);
    }
  }
  return presets;
}

/**
 * Returns the preset that a package's name stands for: its only one, or the one named `index`.
 * @throws UsageError when it has none, or several without an `index`
 */
export function presetOfPackage(name: string, cwd: string): Preset | undefined {
  const folder = packageFamilies(cwd).find(({ source }) => source === name)?.presets;
  if (folder === undefined) return undefined;
  const presets = presetsIn(folder, name);
  const meant = presets.length === 1 ? presets[0] : presets.find((preset) => preset.name === 'index');
  if (meant !== undefined) return meant;
  throw new UsageError(
    'ESP_PRESET_NOT_FOUND',
    `package ${name} has ${presets.length === 0 ? 'no presets' : `several presets: give one of ${presets.map((each) => each.name).join(', ')}`}`,
  );
}

function presetsIn(folder: string, source: string): Preset[] {
  return readdirSync(folder)
    .filter((entry) => /\.ya?ml$/.test(entry))
    .sort()
    .map((entry) => {
      const file = path.join(folder, entry);
      return { name: path.parse(entry).name, summary: firstComment(readFileSync(file, 'utf8')), file, source };
    });
}

function firstComment(text: string): string {
  return /^#[ \t]*(.*?)[ \t]*$/m.exec(text.split('\n', 1)[0] ?? '')?.[1] ?? '';
}
