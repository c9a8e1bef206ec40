import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { z } from 'zod';
import { probeEngines, shortName } from '../../plugins/engines/choice/choice.js';
import { emptyFolder, espalier } from './command.js';

const answer = z.object({
  peaks: z.array(
    z.object({ engine: z.string(), description: z.string(), flops: z.number().positive(), busy: z.boolean() }),
  ),
});

test('doctor --peak measures every working engine in each precision, and stores the result', async (t) => {
  const cache = emptyFolder(t);
  const before = process.env['ESPALIER_CACHE'];
  const others = (await probeEngines()).filter(({ probe }) => probe.works).map(({ plugin }) => shortName(plugin));
  process.env['ESPALIER_CACHE'] = cache;
  const { code, out, err } = await espalier(cache, 'doctor', '--peak', '--json');
  if (before === undefined) delete process.env['ESPALIER_CACHE'];
  else process.env['ESPALIER_CACHE'] = before;
  t.is(code, 0, err);
  const { peaks } = answer.parse(JSON.parse(out));
  // An installed TensorFlow is found in the cache, which is another one here.
  const expected = others.filter((engine) => engine !== 'tensorflow');
  t.deepEqual([...new Set(peaks.map(({ engine }) => engine))].sort(), expected.sort());
  t.deepEqual(
    peaks.filter(({ engine }) => engine === 'native').map(({ description }) => /bf16,|f32,/.exec(description)?.[0]),
    expected.includes('native') ? ['f32,', 'bf16,'] : [],
  );
  const kept = JSON.parse(readFileSync(path.join(cache, 'espalier', 'peak-flops.json'), 'utf8')) as object;
  // Other tests may compute at the same time.
  const expectedKept = peaks.map(({ flops, busy }) => (busy ? { flops, busy } : flops));
  const sorted = (values: unknown[]): string[] => values.map((value) => JSON.stringify(value)).sort();
  t.deepEqual(sorted(Object.values(kept)), sorted(expectedKept));
});
