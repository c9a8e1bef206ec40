import { z } from 'zod';
import { exitCodeOf, type Requests } from '../../../core/index.js';

const requestsSchema = z.strictObject({
  stops: z.array(z.string()),
  exitCode: z.int(),
  ending: z.strictObject({ reason: z.string(), plugin: z.string().nullable() }).nullable(),
  evaluation: z.boolean(),
  checkpoints: z.array(z.enum(['latest', 'best', 'emergency'])),
  rollbacks: z.array(
    z.strictObject({
      to: z.union([z.literal('latest'), z.int()]),
      what: z.enum(['run', 'model']),
      data: z.enum(['again', 'skip']).default('again'),
      reason: z.string(),
    }),
  ),
});

/** The suffix that says which rank a stop came from. */
const OF_RANK = / \(rank \d+\)$/;

/** Encodes requests for sending; an empty string if there are none. */
export function said(requests: Requests): string {
  const { stops, evaluation, checkpoints, rollbacks } = requests;
  return stops.length + checkpoints.length + rollbacks.length > 0 || evaluation ? JSON.stringify(requests) : '';
}

/**
 * Merges the requests of all ranks, which all of them then serve. A stop that rank 0 did not request names its rank.
 * @param before the requests agreed on so far: one signal reaches ranks at different times but is served once
 */
export function agreed(all: readonly string[], before: Pick<Requests, 'stops' | 'checkpoints'>): Requests {
  const asked = all.map((text) => (text === '' ? undefined : requestsSchema.parse(JSON.parse(text))));
  const stops = new Map<string, string>();
  const told = new Set(before.stops.map((reason) => reason.replace(OF_RANK, '')));
  for (const [rank, requests] of asked.entries()) {
    for (const reason of requests?.stops ?? []) {
      if (!stops.has(reason) && !told.has(reason))
        stops.set(reason, rank === 0 ? reason : `${reason} (rank ${String(rank)})`);
    }
  }
  const present = asked.filter((requests) => requests !== undefined);
  return {
    stops: [...stops.values()],
    exitCode: exitCodeOf(present.map(({ exitCode }) => exitCode)),
    ending: present.find(({ ending }) => ending !== null)?.ending ?? null,
    evaluation: present.some(({ evaluation }) => evaluation),
    checkpoints: [...new Set(present.flatMap(({ checkpoints }) => checkpoints))].filter(
      (kind) => kind !== 'emergency' || !before.checkpoints.includes(kind),
    ),
    // Ranks that compute the same request the same rollbacks.
    rollbacks: [
      ...new Map(present.flatMap(({ rollbacks }) => rollbacks).map((each) => [JSON.stringify(each), each])).values(),
    ],
  };
}
