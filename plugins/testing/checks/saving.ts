import { MemoryCheckpoints } from '../run/checkpoints.js';
import { testRun, type TestRunOptions } from '../run/test-run.js';
import { long, reference } from './resume.js';
import { assertSame, differingState, differs, outcomeOf, type Outcome } from './same.js';

/**
 * Checks that saving changes nothing: a run whose state is read at every boundary gives the same bits, reading it twice
 * returns the same, and after `restore` a run has the state that was saved.
 * @throws AssertionError naming what differs
 */
export async function assertSavesUnchanged(options: TestRunOptions = {}): Promise<void> {
  const whole = await reference(options);
  const checkpoints = new MemoryCheckpoints();
  {
    await using made = await testRun({ ...long(options), checkpoints });
    const { run } = made;
    run.on('requests:ready', ({ iteration }) => {
      const taken = (): Outcome['plugins'] => structuredClone(run.snapshot().state.plugins);
      const first = taken();
      const difference = differingState(taken(), first);
      if (difference === undefined) return;
      throw differs(
        `state() called twice after ${String(iteration)} iterations`,
        difference,
        ': it changes what it saves',
      );
    });
    await made.train();
    assertSame(outcomeOf(made), whole, 'a run whose state was read at every boundary');
  }
  const saved = await checkpoints.read();
  await using resumed = await testRun({ ...long(options), checkpoints });
  const difference = differingState(resumed.run.snapshot().state.plugins, saved.state.plugins, ['checkpoint']);
  if (difference === undefined) return;
  throw differs('state() after restore()', difference, ': restore() ignores part of what state() returned');
}
