import test from 'ava';
import fc from '../../property.js';
import { RunControl } from '../../../core/index.js';

const code = fc.constantFrom(0, 1, 130, 143);

/** Stops with these exit codes; the first `first` are granted at one boundary and the others at the next. */
function stopped(codes: readonly number[], first: number): RunControl {
  const control = new RunControl();
  for (const part of [codes.slice(0, first), codes.slice(first)]) {
    for (const exitCode of part) control.requestStop('enough', exitCode);
    control.grant(control.takeRequests());
  }
  return control;
}

test('with several stops the exit code is 1 if any is 1, else the first non-zero one', (t) => {
  fc.assert(
    fc.property(fc.array(code), fc.nat(5), (codes, first) => {
      const expected = codes.includes(1) ? 1 : (codes.find((code) => code !== 0) ?? 0);
      t.is(stopped(codes, first).exitCode, expected);
    }),
  );
});

test('a stop writes an emergency checkpoint, unless another is requested or something is wrong', (t) => {
  t.deepEqual(stopped([0], 1).takeCheckpoints(), ['emergency']);
  t.deepEqual(stopped([1], 1).takeCheckpoints(), []);
  const control = new RunControl();
  control.requestCheckpoint('latest');
  control.requestStop('enough');
  control.grant(control.takeRequests());
  t.deepEqual(control.takeCheckpoints(), ['latest']);
});

test('a stop with exit code 0 ends the run, unless something is wrong; a signal and a pause do not', (t) => {
  fc.assert(
    fc.property(fc.array(code), fc.nat(5), (codes, first) => {
      const isEnd = codes.includes(0) && !codes.includes(1);
      t.deepEqual(stopped(codes, first).ending, isEnd ? { reason: 'enough', plugin: null } : null);
    }),
  );
  const control = new RunControl(() => 'mine');
  control.requestPause('--stop-after 3');
  control.grant(control.takeRequests());
  t.is(control.ending, null);
  t.true(control.stopping);
  control.requestStop('bored');
  control.grant(control.takeRequests());
  t.deepEqual(control.ending, { reason: 'bored', plugin: 'mine' });
});
