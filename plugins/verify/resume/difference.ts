/** Index of the first element that is not the same in both: NaN is as NaN, and 0 not as -0. -1 where there is none. */
export function firstDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) if (!Object.is(a[i], b[i])) return i;
  return -1;
}
