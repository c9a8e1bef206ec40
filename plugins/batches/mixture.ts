import { UsageError, type TokenReader } from '../../core/index.js';
import { windowStrategy } from './windows/window-strategy.js';
import { refuseShort } from './windows/windows.js';
import { z } from 'zod';

export default windowStrategy({
  name: 'batches-mixture',
  summary: 'Random windows of several corpora, drawn by weight regardless of their size.',
  options: {
    weights: z
      .record(z.string(), z.number().gt(0))
      .describe('relative weight of each folder of data.dir, e.g. { data/wiki: 3, data/code: 1 }'),
  },
  starts: ({ reader, blockSize, streams, options: { weights } }) => {
    const corpora = corporaOf(reader, weights);
    for (const corpus of corpora) refuseShort(corpus, 'train', blockSize);
    const total = corpora.reduce((sum, { weight }) => sum + weight, 0);
    // Two random numbers per window: which corpus, and where in it.
    return (window) => {
      const random = streams.place('mixture', window);
      let left = random.float() * total;
      const chosen = corpora.find(({ weight }) => (left -= weight) < 0) ?? corpora.at(-1);
      if (chosen === undefined) throw new Error('there is no corpus');
      return chosen.start + random.below(chosen.length - blockSize);
    };
  },
});

/** The tokens of one folder, which are contiguous. */
interface Corpus {
  readonly weight: number;
  readonly start: number;
  readonly length: number;
}

function corporaOf(reader: TokenReader, weights: Readonly<Record<string, number>>): Corpus[] {
  const names = [...new Set(reader.parts.map(({ corpus }) => corpus))];
  const unknown = Object.keys(weights).find((name) => !names.includes(name));
  if (unknown !== undefined) throw wrongWeights(`there is no ${unknown}`, names);
  return names.map((name) => {
    const weight = weights[name];
    if (weight === undefined) throw wrongWeights(`${name} has no weight`, names);
    const parts = reader.parts.filter(({ corpus }) => corpus === name);
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    return { weight, start: parts[0]?.start ?? 0, length };
  });
}

function wrongWeights(what: string, names: readonly string[]): UsageError {
  return new UsageError(
    'ESP_MIXTURE_WEIGHTS',
    `batches.weights: ${what}; give each of data.dir a weight: ${names.join(', ')}`,
  );
}
