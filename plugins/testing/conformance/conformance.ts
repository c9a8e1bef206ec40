import { AssertionError } from 'node:assert';
import { messageOf, suggestion, UsageError, type PluginChoice } from '../../../core/index.js';
import { findNamed, foundClass, slotKeys } from '../../../core/runs.js';
import { Skipped } from '../checks/skipped.js';
import type { EventTimes } from '../checks/times.js';
import { testRun, type TestRunOptions } from '../run/test-run.js';
import { conformanceChecks, type ConformanceCheck, type Subject } from './checks.js';

/** Result of a check. */
export interface CheckResult {
  readonly check: string;
  readonly result: 'passed' | 'failed' | 'skipped';
  readonly milliseconds: number;
  /** The first difference, why the check was skipped, or what a passed check reports. */
  readonly message?: string;
  /** Both values of the first difference, if it has two. */
  readonly found?: unknown;
  readonly expected?: unknown;
  /** From the check `time`. */
  readonly times?: EventTimes;
}

export interface ConformanceOptions extends Omit<TestRunOptions, 'folder' | 'checkpoints' | 'faults'> {
  /** Other plugins of the run. */
  readonly plugins?: readonly PluginChoice[];
  /** Names of the checks to run; all when not given. */
  readonly only?: readonly string[];
  /** Called with the name of each check before it runs. */
  readonly onCheck?: (name: string) => void;
}

/**
 * Runs the conformance checks on a plugin, in the tiny run of `testRun`: in its slot, or as a feature.
 * @param plugin a class, a name or a path, alone or with its options
 * @returns a result per check, in order
 * @throws UsageError if there is no such plugin or check, or the run cannot be created with these options
 */
export async function conformance(plugin: PluginChoice, options: ConformanceOptions = {}): Promise<CheckResult[]> {
  const { only, onCheck, ...rest } = options;
  const checks = chosen(only);
  const subject = await subjectOf(plugin, rest);
  // Wrong options are the caller's error, not the result of a check.
  await (await testRun(subject.options)).dispose();
  const results: CheckResult[] = [];
  for (const check of checks) {
    onCheck?.(check.name);
    results.push(await resultOf(check, subject));
  }
  return results;
}

/** @throws UsageError naming the nearest check */
function chosen(only: readonly string[] | undefined): readonly ConformanceCheck[] {
  const names = conformanceChecks.map(({ name }) => name);
  const unknown = only?.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new UsageError('ESP_USAGE', `there is no check "${unknown}": ${suggestion(unknown, names, 'checks')}`);
  }
  return conformanceChecks.filter(({ name }) => only?.includes(name) ?? true);
}

async function subjectOf(choice: PluginChoice, options: TestRunOptions): Promise<Subject> {
  const [named, given] = typeof choice === 'string' || typeof choice === 'function' ? [choice, {}] : choice;
  const plugin =
    typeof named === 'string' ? await findNamed(named, options.cwd ?? process.cwd()) : foundClass(named, 'the plugin');
  const { name, slot } = plugin.options;
  // Without it the tiny run uses its own dataset.
  const data = slot === 'data' ? { data: { [slotKeys.data.key]: name } } : {};
  return {
    plugin,
    options: {
      ...options,
      config: { ...data, ...options.config },
      plugins: [...(options.plugins ?? []), [plugin.class, given]],
    },
  };
}

async function resultOf({ name, run }: ConformanceCheck, subject: Subject): Promise<CheckResult> {
  const from = performance.now();
  const done = (result: Omit<CheckResult, 'check' | 'milliseconds'>): CheckResult => ({
    check: name,
    milliseconds: performance.now() - from,
    ...result,
  });
  try {
    return done({ result: 'passed', ...(await run(subject)) });
  } catch (thrown) {
    const message = messageOf(thrown);
    if (thrown instanceof Skipped) return done({ result: 'skipped', message });
    if (!(thrown instanceof AssertionError)) return done({ result: 'failed', message });
    const values: { readonly actual: unknown; readonly expected: unknown } = thrown;
    // Node appends both values on further lines.
    const [first = message] = message.split('\n');
    return done({ result: 'failed', message: first, found: values.actual, expected: values.expected });
  }
}
