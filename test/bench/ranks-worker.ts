// Times the averaging of `bytes` of gradients over the ranks that MPI joins; rank 0 prints a JSON line for each size.
import { Averager } from '../../plugins/parallel/data-parallel/average.js';
import { launchOf } from '../../plugins/parallel/data-parallel/launch.js';
import { loadLibrary } from '../../plugins/parallel/data-parallel/library.js';
import { Mpi } from '../../plugins/parallel/data-parallel/mpi.js';
import { median } from './statistics.js';

const sizes = process.argv.slice(2).map(Number);
const BUCKET_BYTES = 1e6;
/** Enough for a median, of some seconds in all. */
const TIMES = { most: 200, bytes: 4e8 };

const launch = launchOf(process.env);
const mpi = new Mpi(loadLibrary(launch, undefined), launch);
const averager = new Averager(mpi, { size: launch.size, wire: 'f32', bucketBytes: BUCKET_BYTES });
for (const bytes of sizes) {
  const values = new Float32Array(bytes / 4).fill(1);
  const times: number[] = [];
  // The same count on every rank: all make the same calls.
  const count = Math.max(5, Math.min(TIMES.most, Math.floor(TIMES.bytes / bytes)));
  for (let i = 0; i < count; i++) {
    const from = performance.now();
    await averager.average([{ values, into: values }]);
    times.push(performance.now() - from);
  }
  if (launch.rank === 0) process.stdout.write(`${JSON.stringify({ bytes, milliseconds: median(times) })}\n`);
}
mpi.leave(0);
