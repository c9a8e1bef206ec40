import { AssertionError } from 'node:assert';
import { MetricNames, type PluginState, type StoredTensor } from '../../../core/index.js';
import { copySnapshot } from '../../checkpoint/contract.js';
import { comparable, differingLeaf, differingTensor, showValue, type Difference } from '../../verify/contract.js';
import type { TestRun } from '../run/test-run.js';

/** The results of a run that must be equal bit for bit. */
export interface Outcome {
  /** Training loss by iteration, in nats. */
  readonly losses: ReadonlyMap<number, number>;
  /** Metrics by iteration and name, without those that come from a clock. */
  readonly metrics: ReadonlyMap<number, Readonly<Record<string, number>>>;
  readonly weights: Tensors;
  readonly optimizer: Tensors;
  readonly pluginTensors: Tensors;
  readonly random: Readonly<Record<string, number>>;
  /** Every plugin's state, by name. */
  readonly plugins: Readonly<Record<string, PluginState>>;
}

/** Losses and metrics that a run has published. */
export type Published = Pick<Outcome, 'losses' | 'metrics'>;
type Tensors = ReadonlyMap<string, StoredTensor>;

/**
 * Returns the results of a run.
 * @param before what earlier parts of the same run published
 */
export function outcomeOf(made: TestRun, before?: Published): Outcome {
  const snapshot = made.run.snapshot();
  const { weights, optimizer, plugins } = copySnapshot(snapshot);
  return {
    ...publishedBy(made, before),
    weights,
    optimizer,
    pluginTensors: plugins,
    random: snapshot.state.random,
    plugins: snapshot.state.plugins,
  };
}

/** Returns what all parts of a run have published; an iteration that is trained again counts once. */
export function publishedBy({ run, events }: TestRun, before?: Published): Published {
  const names = run.container.resolve(MetricNames);
  const metrics = new Map(before?.metrics);
  for (const { iteration, values } of events.of('metrics')) {
    metrics.set(iteration, { ...metrics.get(iteration), ...names.split(values).exact });
  }
  return { losses: new Map([...(before?.losses ?? []), ...events.losses]), metrics };
}

/** @throws AssertionError that names the first thing that differs, and both values @param ignore plugins not compared */
export function assertSame(found: Outcome, expected: Outcome, what: string, ignore: readonly string[] = []): void {
  const difference = differenceIn(found, expected, ignore);
  if (difference !== undefined) throw differs(what, difference);
}

/** Returns the first difference, in the order of a run; undefined if nothing differs. */
export function differenceIn(
  found: Outcome,
  expected: Outcome,
  ignore: readonly string[] = [],
): Difference | undefined {
  for (const [iteration, loss] of expected.losses) {
    const own = found.losses.get(iteration);
    if (!Object.is(own, loss)) return { at: `the loss of iteration ${String(iteration)}`, found: own, expected: loss };
  }
  for (const iteration of new Set([...expected.metrics.keys(), ...found.metrics.keys()])) {
    const [own, other] = [found.metrics.get(iteration) ?? {}, expected.metrics.get(iteration) ?? {}];
    const name = Object.keys({ ...other, ...own }).find((each) => !Object.is(own[each], other[each]));
    if (name === undefined) continue;
    return { at: `metric ${name} of iteration ${String(iteration)}`, found: own[name], expected: other[name] };
  }
  return (
    named('weight', differingTensor(found.weights, expected.weights)) ??
    named('optimizer’s tensor', differingTensor(found.optimizer, expected.optimizer)) ??
    named('plugins’ tensor', differingTensor(found.pluginTensors, expected.pluginTensors)) ??
    named('random stream', differingLeaf(found.random, expected.random)) ??
    differingState(found.plugins, expected.plugins, ignore)
  );
}

/** Returns the first difference in plugins' states. */
export function differingState(
  found: Outcome['plugins'],
  expected: Outcome['plugins'],
  ignore: readonly string[] = [],
): Difference | undefined {
  for (const name of new Set([...Object.keys(expected), ...Object.keys(found)])) {
    if (ignore.includes(name)) continue;
    const [own, other] = [asJson(comparable(found[name])), asJson(comparable(expected[name]))];
    const difference = differingLeaf(own, other);
    if (difference !== undefined) return { ...difference, at: `plugin ${name}: ${difference.at || 'its state'}` };
  }
  return undefined;
}

/** Returns an error like `node:assert`'s, of which every test runner shows both values. */
export function differs(what: string, { at, found, expected }: Difference, advice = ''): AssertionError {
  const shown = `${what}: ${at} is ${showValue(found)}, not ${showValue(expected)}${advice}`;
  return new AssertionError({ message: shown, actual: found, expected, operator: 'deepStrictEqual' });
}

function named(what: string, difference: Difference | undefined): Difference | undefined {
  return difference === undefined ? undefined : { ...difference, at: `${what} ${difference.at}` };
}

function asJson(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
