// `npm run fuzz -- [--minutes 3] [--seed 1]`: harms checkpoints at random; each must be refused clearly, or read.
// `npm run fuzz -- --stops N [--seed 1]`: N runs stopped at random, with failed writes, which must resume exactly; case i
// has seed + i, so that `--stops 1 --seed S` repeats the one that failed.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect, parseArgs } from 'node:util';
import { RandomStreams } from '../core/index.js';
import { fuzzOnce } from './fuzz-cases.js';
import { stopOnce } from './fuzz-stops.js';

const PROGRESS = 500;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    stops: { type: 'string' },
  },
});
const seed = Number(values.seed);
if (values.stops === undefined) await fuzzCheckpoints(Number(values.minutes));
else await fuzzStops(Number(values.stops));

async function fuzzStops(cases: number): Promise<void> {
  const from = performance.now();
  let parts = 0;
  let failed = 0;
  for (let i = 0; i < cases; i++) {
    const own = seed + i;
    try {
      parts += await stopOnce(new RandomStreams(own).at('stops', 0));
    } catch (thrown) {
      failed++;
      process.stderr.write(`repeat with \`npm run fuzz -- --stops 1 --seed ${String(own)}\`: ${inspect(thrown)}\n`);
      process.exitCode = 1;
    }
    if ((i + 1) % PROGRESS === 0 || i + 1 === cases) {
      const each = ((performance.now() - from) / (i + 1)).toFixed(0);
      const done = `${String(i + 1)} cases from seed ${String(seed)}, ${String(parts)} parts, ${each} ms each`;
      process.stdout.write(`${done}: ${String(failed)} did not resume exactly\n`);
    }
  }
}

async function fuzzCheckpoints(minutes: number): Promise<void> {
  const checkpoint = fileURLToPath(new URL('../../test/fixtures/checkpoint-2', import.meta.url));
  const folder = mkdtempSync(path.join(tmpdir(), 'espalier-fuzz-'));
  const streams = new RandomStreams(seed);
  const until = performance.now() + minutes * 60_000;
  const verdicts = { refused: 0, read: 0 };
  let round = 0;
  try {
    for (; performance.now() < until; round++)
      verdicts[await fuzzOnce(checkpoint, path.join(folder, 'harmed'), streams.at('fuzz', round))]++;
    process.stdout.write(
      `${String(round)} rounds, seed ${values.seed}: ${String(verdicts.refused)} refused, ${String(verdicts.read)} read\n`,
    );
  } catch (thrown) {
    process.stderr.write(
      `round ${String(round)}, seed ${values.seed}: ${thrown instanceof Error ? String(thrown.stack) : String(thrown)}\n`,
    );
    process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
