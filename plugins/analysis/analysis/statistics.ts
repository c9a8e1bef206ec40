export function mean(values: Iterable<number>): number {
  let [sum, count] = [0, 0];
  for (const value of values) {
    sum += value;
    count++;
  }
  return sum / count;
}

/** Returns the population standard deviation (divides by N). */
export function deviation(values: Float64Array): number {
  const centre = mean(values);
  let squares = 0;
  for (const value of values) squares += (value - centre) ** 2;
  return Math.sqrt(squares / values.length);
}

/** Returns a quantile, interpolated linearly like NumPy's default. @param sorted ascending @param share 0 to 1 */
export function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const lower = sorted[below] ?? NaN;
  return lower + (at - below) * ((sorted[below + 1] ?? lower) - lower);
}
