/** Formats a number with four significant digits. */
export function formatNumber(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e9)) return value.toExponential(3).replace(/\.?0+e/, 'e');
  return value.toLocaleString('en-US', size >= 1000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 4 });
}

/** Formats a value with its unit: shares as percentages, seconds as durations. */
export function formatValue(value: number | null, unit: string): string {
  if (value === null || !Number.isFinite(value)) return '–';
  if (unit === 'share') return `${formatNumber(100 * value)} %`;
  if (unit === 's') return formatDuration(value);
  return unit === '' ? formatNumber(value) : `${formatNumber(value)} ${unit}`;
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

/** Formats a number for an axis, which has little room: `1.2M`, `300k`. */
export function formatTick(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e12 || (size > 0 && size < 1e-3)) return value.toExponential(1).replace('.0e', 'e');
  const steps: [number, string][] = [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ];
  const [by, suffix] = steps.find(([least]) => size >= least * 10 || (size >= least && least > 1e3)) ?? [1, ''];
  return `${String(Number((value / by).toPrecision(4)))}${suffix}`;
}
