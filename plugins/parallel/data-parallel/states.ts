import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { RunFacts, RankState } from '../../../core/index.js';
import type { Connection } from './connection.js';

const digestsSchema = z.record(z.string(), z.string());
const rankStateSchema = z.object({
  random: z.record(z.string(), z.int()),
  plugins: z.record(z.string(), z.object({ version: z.int(), state: z.unknown().optional() })),
});

/**
 * Adds state that differs between ranks to rank 0's checkpoint: random streams and plugins' states. Usually there is
 * none, so digests are compared first.
 * @param state of this rank; rank 0's gets `others`
 */
export async function gatherStates(state: RunFacts, connection: Connection): Promise<void> {
  const mine = digestsOf(state);
  const all = (await connection.gatherTexts(JSON.stringify(mine))).map(digestsIn);
  const [first = {}] = all;
  const different = all.map((digests) => Object.keys(digests).filter((key) => digests[key] !== first[key]));
  if (different.every((keys) => keys.length === 0)) return;
  const own = different[connection.rank] ?? [];
  const texts = await connection.gatherTexts(JSON.stringify(picked(state, own)));
  if (connection.rank > 0) return;
  const others: [string, RankState][] = texts.map((text, rank) => [
    String(rank),
    rankStateSchema.parse(JSON.parse(text)),
  ]);
  state.others = Object.fromEntries(others.filter((_, rank) => (different[rank] ?? []).length > 0));
}

function digestsIn(text: string): Record<string, string> {
  const parsed: unknown = JSON.parse(text);
  return digestsSchema.parse(parsed);
}

/** Returns digests keyed by `random` or `plugin` and name. */
function digestsOf({ random, plugins }: RunFacts): Record<string, string> {
  const short = (value: unknown): string =>
    createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
  return Object.fromEntries([
    ...Object.entries(random).map(([name, counter]): [string, string] => [`random ${name}`, String(counter)]),
    ...Object.entries(plugins).map(([name, state]): [string, string] => [`plugin ${name}`, short(state)]),
  ]);
}

function picked({ random, plugins }: RunFacts, keys: readonly string[]): RankState {
  const chosen = <T>(kind: string, from: Record<string, T>): Record<string, T> =>
    Object.fromEntries(Object.entries(from).filter(([name]) => keys.includes(`${kind} ${name}`)));
  return { random: chosen('random', random), plugins: chosen('plugin', plugins) };
}
