import { AssertionError } from 'node:assert';
import type { EventName } from '../../../core/index.js';
import type { TestRunOptions } from '../run/test-run.js';
import { assertEachEnds, type Part } from './resume.js';

const THROWN = 'thrown by a check';

/**
 * Checks that an error at any event ends the run with that error, that disposing of the plugins causes no second one, and
 * that resuming from the last checkpoint gives the same bits as a run without an error.
 * @throws AssertionError naming the event, and what happened to the error or what differs
 */
export async function assertFailsCleanly(options: TestRunOptions = {}): Promise<void> {
  await assertEachEnds(options, {
    what: 'failed',
    act: () => {
      throw new Error(THROWN);
    },
    look: ended,
  });
}

async function ended({ made, thrown }: Part, event: EventName): Promise<void> {
  if (thrown === undefined) {
    throw wrong(`an error thrown at ${event} did not end the run: the publisher of the event swallowed it`, thrown);
  }
  if (!thrown.message.includes(THROWN)) {
    throw wrong(`an error thrown at ${event} was replaced by another one: ${thrown.message}`, thrown);
  }
  await made.dispose();
  const second = made.log.find(({ level, line }) => level === 'error' && !line.includes(THROWN));
  if (second !== undefined) {
    throw wrong(`after an error at ${event} disposing caused another one: ${second.line}`, second.line);
  }
}

function wrong(message: string, actual: unknown): AssertionError {
  return new AssertionError({ message, actual, expected: THROWN, operator: 'strictEqual' });
}
