import { probeEngines, shortName } from '../../engines/contract.js';
import type { TestRunOptions } from '../run/test-run.js';
import { assertClose } from './close.js';
import { outcome } from './resume.js';
import type { Outcome } from './same.js';
import { withSettings } from './settings.js';
import { Skipped } from './skipped.js';

/** Kernels add in different orders, and an optimizer amplifies the difference in each iteration. */
const TOLERANCE = 1e-3;

/**
 * Checks that every engine that works here gives the losses and weights of the engine `cpu`, apart from rounding.
 * @returns the engines, and for each other one why it does not work
 * @throws AssertionError naming the engine, and what differs
 */
export async function assertEngines(options: TestRunOptions = {}): Promise<string> {
  const engines = await probeEngines();
  const names = engines.filter(({ probe }) => probe.works).map(({ plugin }) => shortName(plugin));
  const expected = await onEngine(options, 'cpu');
  for (const name of names.filter((each) => each !== 'cpu')) {
    assertClose(await onEngine(options, name), expected, `engine ${name}, compared with cpu`, TOLERANCE);
  }
  const left = engines.filter(({ probe }) => !probe.works);
  const why = left.map(({ plugin, probe }) => `${shortName(plugin)} left out: ${probe.why ?? probe.detail}`);
  if (names.length < 2) throw new Skipped(`no engine but cpu works here; ${why.join('; ')}`);
  return [names.join(', '), ...why].join('; ');
}

/**
 * Checks that a run's own engine gives the losses and weights of the engine `cpu`, apart from rounding.
 * @throws AssertionError naming what differs
 */
export async function assertLikeCpu(options: TestRunOptions): Promise<void> {
  assertClose(await outcome(options), await onEngine(options, 'cpu'), 'compared with cpu', TOLERANCE);
}

/** Trains a run on the engine of that name. */
function onEngine(options: TestRunOptions, name: string): Promise<Outcome> {
  return outcome(withSettings(options, `engine=${name}`));
}
