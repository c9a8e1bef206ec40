// Made once: each takes longer to make than to use a hundred times.
const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const significant = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 4 });

/** Formats a number of things: `12,500`. */
export function formatCount(value: number | null): string {
  return value === null ? '–' : whole.format(value);
}

/** Formats a number with four significant digits. */
export function formatNumber(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e9)) return value.toExponential(3).replace(/\.?0+e/, 'e');
  return (size >= 1000 ? whole : significant).format(value);
}

/** Formats a difference with its sign and four decimals, as losses have in the table of runs. */
export function formatDifference(value: number | null): string {
  if (value === null) return '–';
  const text = Math.abs(value).toFixed(4);
  return Number(text) === 0 ? '0' : `${value < 0 ? '−' : '+'}${text}`;
}

/** Formats a value with its unit: shares as percentages, seconds as durations. */
export function formatValue(value: number | null, unit: string): string {
  if (value === null || !Number.isFinite(value)) return '–';
  if (unit === 'share') return `${formatNumber(100 * value)} %`;
  if (unit === 's') return formatDuration(value);
  return unit === '' ? formatNumber(value) : `${formatNumber(value)} ${unit}`;
}

/** Formats a time given in ISO 8601, as the browser's language does. */
export function formatTime(time: string): string {
  return new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}

/** Formats seconds: `1 h 02 min`, `3 min 20 s`, `4.5 s`. */
export function formatDuration(seconds: number): string {
  const tenths = Math.round(10 * seconds);
  if (tenths < 600) return `${formatNumber(tenths / 10)} s`;
  const minutes = Math.floor(tenths / 600);
  const two = (part: number): string => String(part).padStart(2, '0');
  if (minutes < 60) return `${String(minutes)} min ${two(Math.floor((tenths / 10) % 60))} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${String(hours)} h ${two(minutes % 60)} min`;
  return `${String(Math.floor(hours / 24))} d ${two(hours % 24)} h`;
}
