import type { z } from 'zod';
import {
  type ConfigPath,
  type ConfiguredPlugin,
  coreSchema,
  isSection,
  jsonSchemaOf,
  propertiesOf,
  slotKeyAt,
} from '../../../core/runs.js';

/**
 * What a resumed run may change. `free`: anything, it is logged. `warn`: the run goes on, but is no longer the run
 * that would have been, bit for bit, for a reason that has nothing to do with what it learns. `fixed`: it would be
 * another run, and is refused unless it is asked for by name.
 */
export type ResumePolicy = 'fixed' | 'warn' | 'free';

/** The policy of a field: its own `meta({ resume })`, else that of the closest section around it. */
export function policyIn(schema: z.ZodType, path: ConfigPath): ResumePolicy | undefined {
  let current: Record<string, unknown> = jsonSchemaOf(schema);
  let policy = policyNoted(current);
  for (const key of path) {
    const next = propertiesOf(current)[key] ?? current['additionalProperties'];
    if (!isSection(next)) break;
    current = next;
    policy = policyNoted(current) ?? policy;
  }
  return policy;
}

/** The policy of a key of a run's config. Where a plugin says nothing, what fills a slot is fixed and a feature free. */
export function policyAt(path: ConfigPath, plugins: readonly ConfiguredPlugin[]): ResumePolicy {
  const slot = slotKeyAt(path.slice(0, -1));
  if (slot !== undefined && slot.key === path.at(-1)) return slot.resume;
  const [owner] = plugins
    .filter((plugin) => plugin.path.every((key, i) => key === path[i]))
    .sort((a, b) => b.path.length - a.path.length);
  if (owner === undefined) return policyIn(coreSchema, path) ?? 'free';
  const { config, slot: fills } = owner.options;
  const noted = config === undefined ? undefined : policyIn(config, path.slice(owner.path.length));
  return noted ?? (fills === undefined ? 'free' : 'fixed');
}

function policyNoted(schema: Record<string, unknown>): ResumePolicy | undefined {
  const { resume } = schema;
  return resume === 'fixed' || resume === 'warn' || resume === 'free' ? resume : undefined;
}
