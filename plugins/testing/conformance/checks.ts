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

/** The plugin to check, and the run to check it in. */
export interface Subject {
  readonly plugin: FoundPlugin;
  readonly options: TestRunOptions;
}

/** What a passed check reports. */
export interface Remark {
  readonly message?: string;
  readonly times?: EventTimes;
}

/** A check of a plugin. */
export interface ConformanceCheck {
  readonly name: string;
  /** Ends the sentence "It checks that …". */
  readonly what: string;
  /** @throws AssertionError with the first difference; Skipped if it cannot run */
  readonly run: (subject: Subject) => Promise<Remark | void>;
}

/** In the order in which they run. */
export const conformanceChecks: readonly ConformanceCheck[] = [
  {
    name: 'disposal',
    what: 'no timer, file, thread or listener is left after a run that ended, failed or never trained',
    run: ({ options }) => assertDisposes(options),
  },
  {
    name: 'leaks',
    what: 'the number of live tensors stays the same after each iteration, and after the run it is what it was before',
    run: ({ options }) => assertNoLeaks(options),
  },
  {
    name: 'repeat',
    what: 'a second run on another day gives the same bits',
    run: ({ options }) => assertRepeats(options),
  },
  {
    name: 'saving',
    what: 'reading the state changes nothing, and restore() restores all of it',
    run: ({ options }) => assertSavesUnchanged(options),
  },
  {
    name: 'resume',
    what: 'a run stopped at each event and resumed gives the same bits as an uninterrupted one',
    run: ({ options }) => assertResumes(options),
  },
  {
    name: 'error',
    what: 'an error at each event ends the run with that error, and the resumed run gives the same bits',
    run: ({ options }) => assertFailsCleanly(options),
  },
  {
    name: 'rollback',
    what: 'a run that rolls back to a checkpoint gives the same bits as one that did not',
    run: ({ options }) => assertRollsBack(options),
  },
  {
    name: 'ranks',
    what: 'two ranks train as one run, agree bit for bit, and only rank 0 writes files',
    run: async ({ plugin, options }) => {
      if (bindsRanks(plugin)) throw new Skipped('the plugin joins ranks itself');
      await assertTwoRanks(options);
    },
  },
  {
    name: 'engines',
    what: 'every engine that works here gives the same losses and weights, apart from rounding',
    run: async ({ plugin, options }) => {
      if (plugin.options.slot !== 'engine') return { message: await assertEngines(options) };
      await assertLikeCpu(options);
    },
  },
  {
    name: 'dropout',
    what: 'losses are finite and a run resumes bit for bit, without dropout and with a dropout of 0.5',
    run: ({ options }) => assertDropout(options),
  },
  {
    name: 'accumulation',
    what: 'two micro-batches train as one batch of both, and a run with gradient accumulation resumes bit for bit',
    run: ({ options }) => assertAccumulates(options),
  },
  {
    name: 'metrics',
    what: 'every published metric is declared',
    run: ({ options }) => assertDeclaredMetrics(options),
  },
  {
    name: 'time',
    what: 'no listener takes far longer than a step of the tiny model; the time of each event is listed',
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
