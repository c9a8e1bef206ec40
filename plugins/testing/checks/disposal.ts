import { AssertionError } from 'node:assert';
import { testRun, type TestRunOptions } from '../run/test-run.js';
import { listenerThrows } from './faults.js';
import { heldSince, type Held } from './held.js';

/**
 * Checks that `dispose` releases everything and logs no error: no timer, open file, thread, process, socket or listener of
 * the process is left after a run that ended, a run that failed, and a run that never trained.
 * @throws AssertionError naming what is left
 */
export async function assertDisposes(options: TestRunOptions = {}): Promise<void> {
  // Espalier itself starts some things once per process: they do not count.
  await (await trained({ ...options, plugins: [] })).dispose();
  await leavesNothing('after a run', () => trained(options));
  await leavesNothing('after a run that failed', () => failed(options));
  await leavesNothing('after a run that never trained', () => testRun(options));
}

type Made = Awaited<ReturnType<typeof testRun>>;

async function trained(options: TestRunOptions): Promise<Made> {
  const made = await testRun(options);
  try {
    await made.train();
  } catch (thrown) {
    await made.dispose();
    throw thrown;
  }
  return made;
}

async function failed(options: TestRunOptions): Promise<Made> {
  const faults = [...(options.faults ?? []), listenerThrows({ event: 'iteration:end', at: 2 })];
  const made = await testRun({ ...options, faults });
  await made.train().catch(() => undefined);
  return made;
}

async function leavesNothing(when: string, make: () => Promise<Made>): Promise<void> {
  await using held: Held = heldSince();
  const made = await held.within(make);
  const errors = made.log.length;
  await made.dispose();
  const failure = made.log.slice(errors).find(({ level }) => level === 'error');
  const left = failure?.line ?? (await held.left()) ?? listening(made);
  if (left === undefined) return;
  const message = `${when}, ${failure === undefined ? `${left} is left: release it in dispose()` : left}`;
  throw new AssertionError({ message, actual: left, expected: undefined, operator: 'strictEqual' });
}

function listening({ process }: Made): string | undefined {
  return process.listening === 0 ? undefined : 'a listener of HostProcess';
}
