import type { Outcome } from './same.js';
import { differs } from './same.js';

/**
 * Checks that losses and weights of two runs are equal within a tolerance, for runs that add in different orders.
 * @param tolerance largest difference, relative to the largest element of the tensor, or to 1 if that is larger
 * @throws AssertionError naming the first element that differs by more
 */
export function assertClose(
  found: Pick<Outcome, 'losses' | 'weights'>,
  expected: Pick<Outcome, 'losses' | 'weights'>,
  what: string,
  tolerance = TOLERANCE,
): void {
  for (const [iteration, loss] of expected.losses) {
    const own = found.losses.get(iteration);
    if (isClose(own, loss, Math.max(1, Math.abs(loss)) * tolerance)) continue;
    throw differs(what, { at: `the loss of iteration ${String(iteration)}`, found: own, expected: loss });
  }
  for (const [name, { values }] of expected.weights) {
    const own = found.weights.get(name)?.values;
    const largest = Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 1);
    const at = values.findIndex((value, i) => !isClose(own?.[i], value, largest * tolerance));
    if (at >= 0) throw differs(what, { at: `weight ${name}[${String(at)}]`, found: own?.[at], expected: values[at] });
  }
}

/** For a few iterations in float32. */
const TOLERANCE = 2e-5;

function isClose(found: number | undefined, expected: number, most: number): boolean {
  return found !== undefined && (Object.is(found, expected) || Math.abs(found - expected) <= most);
}
