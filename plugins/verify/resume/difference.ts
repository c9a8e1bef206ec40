import { isDeepStrictEqual } from 'node:util';
import type { PluginState, StoredTensor } from '../../../core/index.js';

/** Two values that are not the same, and their place. */
export interface Difference {
  /** An element of a tensor, or a key with those above it; empty for the whole. */
  readonly at: string;
  readonly found: unknown;
  readonly expected: unknown;
}

type Tensors = ReadonlyMap<string, StoredTensor>;

/** Index of the first element that is not the same in both: NaN is as NaN, and 0 not as -0. -1 where there is none. */
export function firstDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) if (!Object.is(a[i], b[i])) return i;
  return -1;
}

/** The first element that differs, or a tensor that one of both lacks; undefined where all are the same bit for bit. */
export function differingTensor(found: Tensors, expected: Tensors): Difference | undefined {
  for (const [name, { shape, values }] of expected) {
    const own = found.get(name);
    if (own === undefined) return { at: name, found: undefined, expected: shape };
    if (String(own.shape) !== String(shape)) return { at: `shape of ${name}`, found: own.shape, expected: shape };
    const at = firstDifference(own.values, values);
    if (at >= 0) return { at: `${name}[${String(at)}]`, found: own.values[at], expected: values[at] };
  }
  const extra = [...found].find(([name]) => !expected.has(name));
  return extra === undefined ? undefined : { at: extra[0], found: extra[1].shape, expected: undefined };
}

/** The first leaf of two JSON values that differs; undefined where they are equal. */
export function differingLeaf(found: unknown, expected: unknown, at = ''): Difference | undefined {
  if (isDeepStrictEqual(found, expected)) return undefined;
  if (!isBranch(found) || !isBranch(expected) || Array.isArray(found) !== Array.isArray(expected)) {
    return { at, found, expected };
  }
  for (const key of new Set([...Object.keys(expected), ...Object.keys(found)])) {
    const below = Array.isArray(found) ? `${at}[${key}]` : at === '' ? key : `${at}.${key}`;
    const difference = differingLeaf(found[key], expected[key], below);
    if (difference !== undefined) return difference;
  }
  return { at, found, expected };
}

/** A plugin's state without its `identity`, which no two runs share. */
export function comparable(kept: PluginState | undefined): unknown {
  if (kept === undefined || !isBranch(kept.state) || Array.isArray(kept.state)) return kept;
  return { ...kept, state: { ...kept.state, identity: undefined } };
}

/** A value in a message: JSON where that keeps it, cut where it is long. */
export function showValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value);
  const most = 80;
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

function isBranch(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
