import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../version.js';

/** A preset that comes with the package. */
export interface Preset {
  name: string;
  /** The comment on its first line. */
  summary: string;
  /** Absolute path. */
  file: string;
}

const DEFAULTS = 'defaults.yaml';

/** The presets that come with the package, by name. */
export function listPresets(): Preset[] {
  return readdirSync(presetFolder())
    .filter((entry) => entry.endsWith('.yaml') && entry !== DEFAULTS)
    .sort()
    .map((entry) => {
      const file = path.join(presetFolder(), entry);
      return { name: path.basename(entry, '.yaml'), summary: firstComment(readFileSync(file, 'utf8')), file };
    });
}

/** Absolute path of the file with what fills the slots for which a config names no plugin. */
export function defaultsFile(): string {
  return path.join(presetFolder(), DEFAULTS);
}

/** Absolute path of the package's `presets` folder. */
export function presetFolder(): string {
  return fileURLToPath(new URL('presets', packageRoot));
}

function firstComment(text: string): string {
  return /^#[ \t]*(.*?)[ \t]*$/m.exec(text.split('\n', 1)[0] ?? '')?.[1] ?? '';
}
