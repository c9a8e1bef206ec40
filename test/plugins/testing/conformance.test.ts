import test from 'ava';
import { On, Plugin } from '../../../core/index.js';
import { conformance, TestClock } from '../../../plugins/testing/contract.js';
import { pairs } from './faulty.js';

for (const [fault, { check, message, faulty, right }] of Object.entries(pairs)) {
  test.serial(`${fault}: check ${check} finds and names it, and passes without it`, async (t) => {
    const [found] = await conformance(faulty, { only: [check] });
    t.is(found?.result, 'failed', found?.message);
    t.regex(found?.message ?? '', message);
    const [passed] = await conformance(right, { only: [check] });
    t.is(passed?.result, 'passed', passed?.message);
  });
}

test.serial('a listener that takes far longer than a step fails the check time, and each is listed', async (t) => {
  using clock = new TestClock();

  @Plugin({ name: 'slow', summary: 'takes its time' })
  class Slow {
    @On('iteration:end')
    wait(): void {
      clock.advance(150);
    }

    @On('batch:ready')
    hurry(): void {
      clock.advance(1);
    }
  }

  @Plugin({ name: 'step', summary: 'what a step takes' })
  class Step {
    @On('step:ready')
    wait(): void {
      clock.advance(2);
    }
  }

  const [found] = await conformance(Slow, { only: ['time'], config: { plugins: {} } });
  t.like(found, { result: 'failed', found: 150 });
  t.regex(found?.message ?? '', /^iteration:end takes 150\.0 ms \(median of \d+\), and a step/);
  const [passed] = await conformance(Step, { only: ['time'] });
  t.like(passed, { result: 'passed', times: { events: [{ event: 'step:ready', median: 2, worst: 2 }] } });
});
