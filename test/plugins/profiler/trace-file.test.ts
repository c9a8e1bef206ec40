import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from '../../property.js';
import { TraceFile, type TraceEvent } from '../../../plugins/profiler/trace/file.js';

function fileIn(t: ExecutionContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'espalier-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return path.join(folder, 'trace.json');
}

function eventsIn(file: string): Record<string, unknown>[] {
  const read = JSON.parse(readFileSync(file, 'utf8')) as { traceEvents: Record<string, unknown>[] };
  return read.traceEvents;
}

const event: fc.Arbitrary<TraceEvent> = fc.record({
  name: fc.string({ unit: 'binary' }),
  ph: fc.constantFrom('X', 'b', 'e', 'M'),
  ts: fc.integer(),
  tid: fc.nat(),
  args: fc.dictionary(fc.string(), fc.string()),
});

test('the file is valid JSON after every flush, with everything added before', (t) => {
  const file = fileIn(t);
  fc.assert(
    fc.property(fc.array(fc.option(event, { nil: 'flush' })), (steps) => {
      const trace = new TraceFile(file, Infinity);
      const added: TraceEvent[] = [];
      t.deepEqual(eventsIn(file), []);
      for (const step of steps) {
        if (typeof step === 'object') {
          trace.add(step);
          added.push(step);
          continue;
        }
        trace.flush();
        t.is(statSync(file).size, trace.bytes);
        t.deepEqual(
          eventsIn(file).map(({ pid: _, ...rest }) => rest),
          added.map((each) => ({ ...each, args: { ...each.args } })),
        );
      }
      trace.close();
      t.is(eventsIn(file).length, added.length);
      trace.add({ name: 'late', ph: 'M', tid: 0 });
      trace.close();
      t.is(eventsIn(file).length, added.length);
    }),
    { numRuns: 50 },
  );
});

test('it does not grow beyond its limit', (t) => {
  const file = fileIn(t);
  const limit = 5_000_000;
  const trace = new TraceFile(file, limit);
  const long = { name: 'x'.repeat(100_000), ph: 'M', tid: 1 } as const;
  for (let i = 0; i < 100; i++) trace.add(long);
  trace.close();
  // What came together before the limit was reached is in it.
  t.true(trace.bytes >= limit && trace.bytes < limit + (2 << 20), String(trace.bytes));
  t.true(eventsIn(file).length < 70);
});
