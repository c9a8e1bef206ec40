import test from 'ava';
import type { Requests, RollbackRequest } from '../../../core/index.js';
import fc from '../../property.js';
import { agreed, said } from '../../../plugins/parallel/data-parallel/agree.js';
import { Averager, type Messages, type Pending } from '../../../plugins/parallel/data-parallel/average.js';
import { launchOf } from '../../../plugins/parallel/data-parallel/launch.js';
import { named, odd } from '../../../plugins/parallel/data-parallel/same.js';
import { packed } from '../../../plugins/parallel/data-parallel/wire.js';

/** Ranks in one process: implements MPI's two calls in memory. Every rank must make the same calls in one order. */
function ranksInMemory(size: number): Messages[] {
  interface Call {
    kind: string;
    from: Uint8Array;
    into: Uint8Array;
    done: () => void;
  }
  const waiting: Call[][] = Array.from({ length: size }, () => []);
  const deliver = (): void => {
    while (waiting.every((calls) => calls.length > 0)) {
      const calls = waiting.flatMap((of) => of.shift() ?? []);
      const [first] = calls;
      if (calls.some(({ kind, from }) => kind !== first?.kind || from.length !== first.from.length)) {
        throw new Error('ranks call different things');
      }
      for (const [to, { into, done }] of calls.entries()) {
        for (const [rank, { kind, from }] of calls.entries()) {
          const part = kind === 'allgather' ? from.length : from.length / size;
          into.set(kind === 'allgather' ? from : from.subarray(to * part, (to + 1) * part), rank * part);
        }
        done();
      }
    }
  };
  return waiting.map((calls) => {
    const call =
      (kind: string) =>
      (from: Uint8Array, into: Uint8Array): Pending => {
        let [there, done] = [false, (): void => undefined];
        const arrival = new Promise<void>((resolve) => (done = resolve));
        calls.push({
          kind,
          from,
          into,
          done: () => {
            there = true;
            done();
          },
        });
        deliver();
        return {
          wait: () => {
            if (!there) throw new Error('it would wait for ever');
          },
          done: () => arrival,
        };
      };
    return { alltoall: call('alltoall'), allgather: call('allgather'), progress: () => undefined };
  });
}

/** @param early how many arrays each rank adds while it still computes others, in turns */
async function averaged(
  of: readonly (readonly Float32Array[])[],
  { early, ...options }: { early: number; wire: 'f32' | 'bf16'; bucketBytes: number },
): Promise<Float32Array[][]> {
  const size = of.length;
  const averagers = ranksInMemory(size).map((messages) => new Averager(messages, { size, depth: 4, ...options }));
  const once = async (): Promise<Float32Array[][]> => {
    const shares = of.map((arrays) => arrays.map((values) => ({ values, into: new Float32Array(values.length) })));
    for (let which = 0; which < early; which++) {
      for (const [rank, averager] of averagers.entries()) {
        const share = shares[rank]?.[which];
        if (share !== undefined) averager.add(share);
      }
    }
    await Promise.all(averagers.map((averager, rank) => averager.average(shares[rank]?.slice(early) ?? [])));
    return shares.map((of) => of.map(({ into }) => into));
  };
  await once();
  // In memory that already exists.
  return once();
}

const numbers = fc.float({ noDefaultInfinity: true, noNaN: true, min: -1000, max: 1000 });
const ranks = fc
  .record({
    size: fc.integer({ min: 2, max: 5 }),
    lengths: fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 5 }),
    bucketBytes: fc.integer({ min: 1, max: 200 }),
    early: fc.integer({ min: 0, max: 5 }),
  })
  .chain(({ size, lengths, bucketBytes, early }) =>
    fc.record({
      // Ranks take turns: none may have to wait for what a later one sends, as it would with many buckets in one array.
      bucketBytes: fc.constant(early > 0 ? 64 + bucketBytes : bucketBytes),
      early: fc.constant(early),
      of: fc.tuple(
        ...Array.from({ length: size }, () =>
          fc.tuple(
            ...lengths.map((length) =>
              fc.float32Array({ minLength: length, maxLength: length, min: -1000, max: 1000, noNaN: true }),
            ),
          ),
        ),
      ),
    }),
  );

test('every rank gets the same bits of the mean over ranks, whatever the buckets and arrays sent early', async (t) => {
  await fc.assert(
    fc.asyncProperty(ranks, async ({ of, ...options }) => {
      const expected = of[0]?.map((array, which) =>
        array.map((_, i) => of.reduce((sum, rank) => sum + (rank[which]?.[i] ?? NaN), 0) / of.length),
      );
      for (const arrays of await averaged(of, { wire: 'f32', ...options })) t.deepEqual(arrays, expected);
    }),
    { numRuns: 60 },
  );
});

test('in bf16 every rank gets the same bits, within bf16’s precision of the mean', async (t) => {
  await fc.assert(
    fc.asyncProperty(ranks, async ({ of, ...options }) => {
      const all = await averaged(of, { wire: 'bf16', ...options });
      for (const arrays of all) t.deepEqual(arrays, all[0]);
      for (const [which, array] of (all[0] ?? []).entries()) {
        for (const [i, value] of array.entries()) {
          const parts = of.map((rank) => rank[which]?.[i] ?? NaN);
          const mean = parts.reduce((sum, part) => sum + part, 0) / parts.length;
          const most = Math.max(...parts.map(Math.abs));
          t.true(Math.abs(value - mean) <= most * 2 ** -7 + 1e-38, `${value} for ${mean}`);
        }
      }
    }),
    { numRuns: 40 },
  );
});

test('bf16 rounds to nearest, ties to even, and keeps NaN', (t) => {
  const there = (value: number): number => {
    const wire = packed('bf16', 1);
    const back = new Float32Array(1);
    wire.set(Float32Array.of(value), 0);
    wire.copyTo(back, 0);
    return back[0] ?? 0;
  };
  t.is(there(1 + 2 ** -8), 1);
  t.is(there(1 + 3 * 2 ** -8), 1 + 2 ** -6);
  t.is(there(1 + 2 ** -8 + 2 ** -20), 1 + 2 ** -7);
  t.deepEqual([there(Infinity), there(-Infinity), there(-0)], [Infinity, -Infinity, -0]);
  t.true(Number.isNaN(there(NaN)));
  fc.assert(fc.property(numbers, (value) => Math.abs(there(value) - value) <= Math.abs(value) * 2 ** -8 + 1e-40));
});

test('all ranks serve the requests of any, and a stop names the rank that requested it', (t) => {
  const nothing: Requests = { stops: [], exitCode: 0, ending: null, evaluation: false, checkpoints: [], rollbacks: [] };
  const rollback: RollbackRequest = { to: 'latest', what: 'run', data: 'skip', reason: 'a loss spike' };
  t.is(said(nothing), '');
  t.deepEqual(agreed(['', ''], nothing), nothing);
  const first = said({
    ...nothing,
    stops: ['SIGTERM'],
    exitCode: 143,
    checkpoints: ['emergency'],
    rollbacks: [rollback],
  });
  const other = said({
    stops: ['SIGTERM', 'bored'],
    exitCode: 130,
    ending: { reason: 'bored', plugin: 'idle' },
    evaluation: true,
    checkpoints: ['latest', 'emergency'],
    rollbacks: [rollback],
  });
  t.deepEqual(agreed([first, '', other], nothing), {
    stops: ['SIGTERM', 'bored (rank 2)'],
    exitCode: 143,
    ending: { reason: 'bored', plugin: 'idle' },
    evaluation: true,
    checkpoints: ['emergency', 'latest'],
    rollbacks: [rollback],
  });
  const later = agreed(['', first, ''], { stops: ['SIGTERM (rank 2)'], checkpoints: ['emergency'] });
  t.deepEqual([later.stops, later.checkpoints], [[], []], 'one signal is served once');
});

test('the odd ranks are those that differ from the majority', (t) => {
  t.deepEqual(odd(['a', 'a', 'a']), []);
  t.deepEqual(odd(['b', 'a', 'a']), [0]);
  t.deepEqual(odd(['a', 'b']), [1]);
  t.is(named([1, 2, 5]), 'ranks 1, 2 and 5');
  t.is(named([3]), 'rank 3');
});

test('rank and size come from the launcher’s variables; a Slurm batch script is not a rank', (t) => {
  const of = (env: Record<string, string>): unknown[] => {
    const { rank, size, onThisMachine, family } = launchOf(env);
    return [rank, size, onThisMachine, family];
  };
  t.deepEqual(of({}), [0, 1, 1, undefined]);
  t.deepEqual(
    of({
      OMPI_COMM_WORLD_RANK: '2',
      OMPI_COMM_WORLD_SIZE: '4',
      OMPI_COMM_WORLD_LOCAL_SIZE: '2',
      PMI_RANK: '0',
      PMI_SIZE: '1',
    }),
    [2, 4, 2, 'openmpi'],
  );
  t.deepEqual(of({ PMI_RANK: '1', PMI_SIZE: '2', MPI_LOCALNRANKS: '2' }), [1, 2, 2, 'mpich']);
  t.deepEqual(of({ SLURM_PROCID: '5', SLURM_STEP_NUM_TASKS: '8', SLURM_STEP_TASKS_PER_NODE: '4(x2)' }), [
    5,
    8,
    4,
    undefined,
  ]);
  t.deepEqual(of({ SLURM_PROCID: '0', SLURM_NTASKS: '8' }), [0, 1, 1, undefined]);
  t.deepEqual(of({ RANK: '1', WORLD_SIZE: '3' }), [1, 3, 1, undefined]);
  t.deepEqual(of({ RANK: 'one', WORLD_SIZE: '3' }), [0, 1, 1, undefined]);
});
