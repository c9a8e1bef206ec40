import test from 'ava';
import fc from '../../property.js';
import { RunState } from '../../../core/index.js';
import { EntryCounts } from '../../../plugins/index.js';

/** A run at an iteration that it was stopped after, with or without an evaluation that is still to come. */
function at(iteration: number, owesEvaluation: boolean): RunState {
  const run = new RunState();
  run.restore({ iteration, tokens: 0, bestValLoss: null, owesEvaluation, owesCheckpoints: [], ending: null });
  return run;
}

test('entries of later iterations are removed, those of the checkpoint’s own iteration are kept', (t) => {
  const counts = new EntryCounts(at(3, false));
  for (const iteration of [1, 2, 2, 3, 3]) counts.add('log', iteration);
  t.is(counts.state(), undefined, 'nothing is kept where nothing is owed');
  const resumed = new EntryCounts(at(3, false));
  t.deepEqual([1, 2, 2, 3, 3, 4].filter(resumed.resumeAt(3)('log')), [1, 2, 2, 3, 3]);
});

test('if an evaluation is owed, the iteration keeps the entries it had at the checkpoint, however often it is killed', (t) => {
  const sizes = fc.record({
    before: fc.nat(4),
    other: fc.nat(4),
    evaluation: fc.nat(4),
    kills: fc.integer({ min: 1, max: 3 }),
  });
  fc.assert(
    fc.property(sizes, ({ before, other, evaluation, kills }) => {
      const first = new EntryCounts(at(5, true));
      const fill = (counts: EntryCounts, file: string, of: number, count: number): number[] => {
        const entries = Array.from({ length: count }, () => of);
        for (const entry of entries) counts.add(file, entry);
        return entries;
      };
      const atCheckpoint = [4, ...fill(first, 'log', 5, before)];
      fill(first, 'other', 5, other);
      const state: unknown = JSON.parse(JSON.stringify(first.state()));
      let file = atCheckpoint;
      for (let i = 0; i < kills; i++) {
        const resumed = new EntryCounts(at(5, true));
        resumed.restore(state);
        const keeps = resumed.resumeAt(5);
        file = file.filter(keeps('log'));
        t.deepEqual(file, atCheckpoint);
        t.is(Array(9).fill(5).filter(keeps('other')).length, other);
        t.deepEqual(resumed.state() ?? {}, state as object, 'stopped again before the evaluation, it keeps as much');
        file = [...file, ...fill(resumed, 'log', 5, evaluation), ...fill(resumed, 'log', 6, 2)];
      }
    }),
  );
});

test('a plugin added after the checkpoint keeps no entries of an owed iteration, and all of earlier ones', (t) => {
  const counts = new EntryCounts(at(2, true));
  counts.restore({ identity: {} });
  t.deepEqual([1, 2, 2].filter(counts.resumeAt(2)('log')), [1]);
  counts.restore({ log: 1 });
  t.deepEqual([1, 2, 2].filter(counts.resumeAt(2)('log')), [1, 2], 'run-log’s older state');
  counts.restore(undefined);
  t.deepEqual([1, 2, 2].filter(counts.resumeAt(2)('log')), [1, 2, 2]);
  t.deepEqual(counts.state(), { identity: { log: 2 } }, 'what is kept counts');
});

test('counts of an owed iteration do not apply to a later rollback', (t) => {
  const counts = new EntryCounts(at(2, false));
  counts.restore({ identity: { log: 1 } });
  counts.resumeAt(2);
  t.deepEqual([3, 4, 4, 5].filter(counts.resumeAt(4)('log')), [3, 4, 4]);
});
