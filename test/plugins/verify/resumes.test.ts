import test from 'ava';
import type { RunSettings } from '../../../core/index.js';
import { probeEngines, shortName } from '../../../plugins/engines/choice/choice.js';
import {
  assertSame,
  listenerThrows,
  outcome,
  outcomeInParts,
  signalArrives,
} from '../../../plugins/testing/contract.js';

const installed = (await probeEngines()).filter(({ probe }) => probe.works).map(({ plugin }) => shortName(plugin));

/** Ended by a signal where an evaluation is due, by one within it, by an error after a checkpoint, and by a signal again. */
const interruptions = [
  [signalArrives({ event: 'iteration:end', at: 3 })],
  [signalArrives({ event: 'evaluation:batch' })],
  [listenerThrows({ event: 'gradients:ready', at: 4 })],
  [signalArrives({ event: 'step:ready', at: 5 })],
];

async function endsTheSame(config: RunSettings): Promise<void> {
  const options = { config, plugins: ['batch-digest'] };
  const parts = await outcomeInParts(options, interruptions);
  assertSame(parts, await outcome(options), `in ${String(parts.parts)} parts`);
}

for (const engine of installed) {
  test.serial(
    `engine ${engine}: a run that signals and an error ended, and that was resumed, is the run that was not`,
    (t) => t.notThrowsAsync(endsTheSame({ engine })),
  );
}

for (const batches of [
  { strategy: 'sequential' },
  { strategy: 'epoch' },
  { strategy: 'mixture', weights: { text: 1 } },
  { strategy: 'curriculum', candidates: 20, round: 3 },
]) {
  test.serial(`batches ${batches.strategy}: the same`, (t) => t.notThrowsAsync(endsTheSame({ batches })));
}
