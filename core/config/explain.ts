import { eachLeaf, showOrigin, writtenAt, type ComposedConfig, type Settings } from './composed.js';
import { pathKey } from './path.js';

/** One setting of a config and where it was written. */
export interface Explained {
  /** Dotted. */
  path: string;
  value: unknown;
  /** `presets/char-small.yaml:4`, `--set`, `default`. */
  origin: string;
  /** The path of a plugin as it stands there, relative to that file. */
  written?: string;
}

/**
 * Every setting with its origin.
 * @param finalValue the config to explain: `composed.value`, or that with what schemas filled in
 */
export function explainLines(composed: ComposedConfig, finalValue: Settings): Explained[] {
  const lines: Explained[] = [];
  eachLeaf(finalValue, (path, value) => {
    if (path.length === 0) return;
    const origin = writtenAt(composed, path);
    const written = origin?.written === undefined ? {} : { written: origin.written };
    lines.push({
      path: pathKey(path),
      value,
      origin: origin === undefined ? 'default' : showOrigin(origin),
      ...written,
    });
  });
  return lines;
}

/** The lines as aligned text: `key  value  # origin`. */
export function renderLines(lines: readonly Explained[]): string {
  const rows = lines.map(({ path, value, origin, written }) => ({
    path,
    value: showValue(value),
    origin: written === undefined ? origin : `${origin}, as ${written}`,
  }));
  const pathWidth = Math.max(0, ...rows.map(({ path }) => path.length));
  const valueWidth = Math.min(MAX_VALUE_WIDTH, Math.max(0, ...rows.map(({ value }) => value.length)));
  return rows
    .map(({ path, value, origin }) => `${path.padEnd(pathWidth)}  ${value.padEnd(valueWidth)}  # ${origin}`)
    .join('\n');
}

const MAX_VALUE_WIDTH = 40;

function showValue(value: unknown): string {
  if (value === undefined) return '';
  return typeof value === 'string' && /^[\w./@:-]+$/.test(value) ? value : JSON.stringify(value);
}
