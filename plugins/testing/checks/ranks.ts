import { AssertionError } from 'node:assert';
import { existsSync, readdirSync } from 'node:fs';
import { memoryRanks } from '../run/ranks.js';
import { testRun, type TestRun, type TestRunOptions } from '../run/test-run.js';
import { assertClose } from './close.js';
import { differenceIn, differs, outcomeOf } from './same.js';
import { withSettings } from './settings.js';

/** Creates runs that train together as ranks, one per rank; train them all at once with `trainTogether`. */
export async function testRanks(size: number, options: TestRunOptions = {}): Promise<TestRun[]> {
  const runs: TestRun[] = [];
  for (const rank of memoryRanks(size)) {
    runs.push(await testRun({ ...options, plugins: [rank, ...(options.plugins ?? [])] }));
  }
  return runs;
}

/** Trains all ranks at the same time. */
export async function trainTogether(ranks: readonly TestRun[]): Promise<void> {
  await Promise.all(ranks.map((rank) => rank.train()));
}

/**
 * Checks that two ranks with half the batch each train as one run with the whole batch does, apart from rounding; that both
 * ranks have the same losses, weights and states of plugins that run on both, bit for bit; and that only rank 0 writes
 * files.
 * @throws AssertionError naming what differs, or the file
 */
export async function assertTwoRanks(options: TestRunOptions = {}): Promise<void> {
  const ranks = await testRanks(2, withSettings(options, 'train.batch_size=2'));
  const one = await testRun(withSettings(options, 'train.batch_size=4'));
  try {
    await trainTogether(ranks);
    await one.train();
    const [first, second] = ranks;
    if (first === undefined || second === undefined) return;
    sameOnBoth(first, second);
    assertClose(outcomeOf(first), outcomeOf(one), 'two ranks');
    if (options.folder === undefined) wroteNothing(second);
  } finally {
    for (const run of [...ranks, one]) await run.dispose();
  }
}

/** Plugins that run on the first rank only have no state on the second. */
function sameOnBoth(first: TestRun, second: TestRun): void {
  const [own, other] = [outcomeOf(second), outcomeOf(first)];
  const shared = Object.keys(own.plugins);
  const plugins = Object.fromEntries(Object.entries(other.plugins).filter(([name]) => shared.includes(name)));
  const pluginTensors = new Map([...other.pluginTensors].filter(([name]) => own.pluginTensors.has(name)));
  const difference = differenceIn(
    { ...own, metrics: new Map() },
    { ...other, metrics: new Map(), plugins, pluginTensors },
  );
  if (difference !== undefined) throw differs('rank 1', difference, ' as on rank 0');
}

function wroteNothing({ run: { folder } }: TestRun): void {
  const [file] = existsSync(folder.path) ? readdirSync(folder.path, { recursive: true, encoding: 'utf8' }) : [];
  if (file === undefined) return;
  throw new AssertionError({
    message: `rank 1 wrote ${file}: only rank 0 may write; set \`ranks: 'first'\` in @Plugin, or write only if Ranks.rank is 0`,
    actual: file,
    expected: undefined,
    operator: 'strictEqual',
  });
}
