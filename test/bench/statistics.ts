/** Returns the median; NaN for no values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

export function round(value: number, digits = 2): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(Math.min(digits, 1)) : value.toFixed(digits);
}
