import { Ranks } from '../../../core/index.js';
import type { FoundPlugin } from '../../../core/runs.js';
import { assertDisposes } from '../checks/disposal.js';
import { assertEngines, assertLikeCpu } from '../checks/engines.js';
import { assertFailsCleanly } from '../checks/errors.js';
import { assertDeclaredMetrics, assertNoLeaks } from '../checks/hygiene.js';
import { assertAccumulates, assertDropout } from '../checks/micro-batches.js';
import { assertTwoRanks } from '../checks/ranks.js';
import { assertRepeats } from '../checks/repeat.js';
import { assertResumes, assertRollsBack } from '../checks/resume.js';
import { assertSavesUnchanged } from '../checks/saving.js';
import { Skipped } from '../checks/skipped.js';
import { assertQuick, type EventTimes } from '../checks/times.js';
import type { TestRunOptions } from '../run/test-run.js';

/** The plugin that is checked, and the run that it is checked in. */
export interface Subject {
  readonly plugin: FoundPlugin;
  readonly options: TestRunOptions;
}

/** What a check that passed has to say. */
export interface Remark {
  readonly message?: string;
  readonly times?: EventTimes;
}

/** A check of a plugin. */
export interface ConformanceCheck {
  readonly name: string;
  /** Ends the sentence "It checks that …". */
  readonly what: string;
  /** @throws AssertionError with the first difference; Skipped where it cannot be run */
  readonly run: (subject: Subject) => Promise<Remark | void>;
}

/** In the order in which they are run. */
export const conformanceChecks: readonly ConformanceCheck[] = [
  {
    name: 'disposal',
    what: 'after a run that ended, failed or never trained no timer, file, thread or listener is left',
    run: ({ options }) => assertDisposes(options),
  },
  {
    name: 'leaks',
    what: 'after each iteration as many tensors are alive, and after the run as many as before it',
    run: ({ options }) => assertNoLeaks(options),
  },
  {
    name: 'repeat',
    what: 'a second run on another day has the same losses, metrics, weights and states, to the bit',
    run: ({ options }) => assertRepeats(options),
  },
  {
    name: 'saving',
    what: 'taking the state changes nothing, and restoring it gives all of it back',
    run: ({ options }) => assertSavesUnchanged(options),
  },
  {
    name: 'resume',
    what: 'a run that is stopped at each event and resumed ends as the one that was not, to the bit',
    run: ({ options }) => assertResumes(options),
  },
  {
    name: 'error',
    what: 'an error at each event ends the run with that error, and the resumed run is the same, to the bit',
    run: ({ options }) => assertFailsCleanly(options),
  },
  {
    name: 'rollback',
    what: 'a run that goes back to a checkpoint ends as the one that did not, to the bit',
    run: ({ options }) => assertRollsBack(options),
  },
  {
    name: 'ranks',
    what: 'two ranks train as one run, agree to the bit, and rank 1 writes no file',
    run: async ({ plugin, options }) => {
      if (bindsRanks(plugin)) throw new Skipped('the plugin joins ranks itself');
      await assertTwoRanks(options);
    },
  },
  {
    name: 'engines',
    what: 'every engine that works here gives the same losses and weights, but for rounding',
    run: async ({ plugin, options }) => {
      if (plugin.options.slot !== 'engine') return { message: await assertEngines(options) };
      await assertLikeCpu(options);
    },
  },
  {
    name: 'dropout',
    what: 'without dropout and with much of it losses are finite, and a run resumes to the bit',
    run: ({ options }) => assertDropout(options),
  },
  {
    name: 'accumulation',
    what: 'two micro-batches train as one batch of both, and a run that accumulates resumes to the bit',
    run: ({ options }) => assertAccumulates(options),
  },
  {
    name: 'metrics',
    what: 'every metric that is published is declared',
    run: ({ options }) => assertDeclaredMetrics(options),
  },
  {
    name: 'time',
    what: 'no listener takes far longer than a step of the tiny model; it lists the time of each event',
    run: async ({ plugin, options }) => ({ times: await assertQuick(plugin.options.name, options) }),
  },
];

function bindsRanks(plugin: FoundPlugin): boolean {
  let binds = false;
  const look = (contract: unknown): void => {
    binds ||= contract === Ranks;
  };
  plugin.class.register?.({ bind: look, add: look, wrap: look });
  return binds;
}
