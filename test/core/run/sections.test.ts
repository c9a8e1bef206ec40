import test from 'ava';
import fc from '../../property.js';
import { Sections } from '../../../core/index.js';

/** A section and the work in it. */
interface Work {
  readonly name: string;
  readonly waits: boolean;
  readonly fails: boolean;
  readonly within: readonly Work[];
}

const work: fc.Arbitrary<Work> = fc.letrec<{ work: Work }>((tie) => ({
  work: fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    waits: fc.boolean(),
    fails: fc.boolean(),
    within: fc.oneof({ maxDepth: 3 }, fc.constant([]), fc.array(tie('work'), { maxLength: 3 })),
  }),
})).work;

async function done(sections: Sections, { name, waits, fails, within }: Work): Promise<void> {
  const inside = async (): Promise<void> => {
    for (const each of within) await done(sections, each).catch(() => undefined);
    if (waits) await Promise.resolve();
    if (fails) throw new Error(name);
  };
  await sections.measure(name, inside);
}

function expected({ name, within }: Work): string[] {
  return [`> ${name}`, ...within.flatMap(expected), `< ${name}`];
}

test('sections nest properly even if work waits or fails, and errors pass through', async (t) => {
  await fc.assert(
    fc.asyncProperty(work, async (all) => {
      const sections = new Sections();
      const seen: string[] = [];
      const stop = sections.watch({ begin: (name) => seen.push(`> ${name}`), end: (name) => seen.push(`< ${name}`) });
      const failure: unknown = await done(sections, all).catch((thrown: unknown) => thrown);
      stop();
      await done(sections, all).catch(() => undefined);
      t.deepEqual(seen, expected(all));
      t.is(failure instanceof Error, all.fails);
    }),
    { numRuns: 50 },
  );
});

test('synchronous work stays synchronous and keeps its result', (t) => {
  const sections = new Sections();
  t.is(
    sections.measure('a', () => 7),
    7,
  );
  const seen: string[] = [];
  sections.watch({ begin: (name) => seen.push(`> ${name}`), end: (name) => seen.push(`< ${name}`) });
  t.is(
    sections.measure('a', () => 7),
    7,
  );
  t.throws(() => sections.measure('b', () => JSON.parse('{') as unknown));
  const end = sections.begin('c');
  t.deepEqual(seen, ['> a', '< a', '> b', '< b', '> c']);
  end();
  t.is(seen.at(-1), '< c');
});
