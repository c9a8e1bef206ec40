// `npm run fuzz -- [--minutes 3] [--seed 1]`: harms checkpoints at random; each must be refused clearly, or read.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { RandomStreams } from '../core/index.js';
import { fuzzOnce } from './fuzz-cases.js';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '3' }, seed: { type: 'string', default: '1' } },
});
const checkpoint = fileURLToPath(new URL('../../test/fixtures/checkpoint-2', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'espalier-fuzz-'));
const streams = new RandomStreams(Number(values.seed));
const until = performance.now() + Number(values.minutes) * 60_000;
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
