import type { Explained } from '../../../core/runs.js';

/** Formats settings with their origins in aligned columns: `key  value  # origin`. */
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
