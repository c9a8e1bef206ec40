import { AssertionError } from 'node:assert';
import { isDeepStrictEqual } from 'node:util';
import type { StoredTensor } from '../../../core/index.js';
import { copySnapshot } from '../../checkpoint/contract.js';
import type { TestRun } from '../run/test-run.js';

/** The results of a run that must be equal to the bit. */
export interface Outcome {
  readonly losses: ReadonlyMap<number, number>;
  readonly weights: Tensors;
  readonly optimizer: Tensors;
  readonly pluginTensors: Tensors;
  readonly random: Readonly<Record<string, number>>;
  /** The state of every plugin, by name. */
  readonly plugins: Readonly<Record<string, unknown>>;
}

type Tensors = ReadonlyMap<string, StoredTensor>;

/**
 * Returns the results of a trained run.
 * @param losses of iterations that earlier parts of the same run trained
 */
export function outcomeOf({ run, events }: TestRun, losses: ReadonlyMap<number, number> = new Map()): Outcome {
  const snapshot = run.snapshot();
  const { weights, optimizer, plugins } = copySnapshot(snapshot);
  return {
    losses: new Map([...losses, ...events.losses]),
    weights,
    optimizer,
    pluginTensors: plugins,
    random: snapshot.state.random,
    plugins: snapshot.state.plugins,
  };
}

/** @throws AssertionError naming the first difference and both values @param ignore plugins not to compare */
export function assertSame(found: Outcome, expected: Outcome, what: string, ignore: readonly string[] = []): void {
  for (const [iteration, loss] of expected.losses) {
    const own = found.losses.get(iteration);
    if (!Object.is(own, loss)) throw differs(what, `the loss of iteration ${String(iteration)}`, own, loss);
  }
  for (const part of ['weights', 'optimizer', 'pluginTensors'] as const) sameTensors(found[part], expected[part], what);
  if (!isDeepStrictEqual(found.random, expected.random)) {
    throw differs(what, 'the random streams', found.random, expected.random);
  }
  for (const name of new Set([...Object.keys(expected.plugins), ...Object.keys(found.plugins)])) {
    if (ignore.includes(name)) continue;
    const [own, other] = [asJson(found.plugins[name]), asJson(expected.plugins[name])];
    if (!isDeepStrictEqual(own, other)) throw differs(what, `the state of plugin ${name}`, own, other);
  }
}

/** Returns an error like those of `node:assert`, so that every test runner shows both values. */
export function differs(what: string, which: string, actual: unknown, expected: unknown): AssertionError {
  const shown = `${what}: ${which} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`;
  return new AssertionError({ message: shown, actual, expected, operator: 'deepStrictEqual' });
}

function sameTensors(found: Tensors, expected: Tensors, what: string): void {
  const names = [[...found.keys()].sort(), [...expected.keys()].sort()];
  if (!isDeepStrictEqual(names[0], names[1])) throw differs(what, 'the list of tensors', names[0], names[1]);
  for (const [name, { shape, values }] of expected) {
    const own = found.get(name);
    if (!isDeepStrictEqual(own?.shape, shape)) throw differs(what, `the shape of ${name}`, own?.shape, shape);
    const at = values.findIndex((value, i) => !Object.is(own?.values[i], value));
    if (at >= 0) throw differs(what, `${name}[${String(at)}]`, own?.values[at], values[at]);
  }
}

function asJson(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
