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
 * What a resumed run may do with a key. `free`: change it; the change is logged. `warn`: change it, with a warning that
 * the results are no longer bit-identical, though the run learns the same. `fixed`: changing it makes a different run,
 * and is refused unless `--override` names the key.
 */
export type ResumePolicy = 'fixed' | 'warn' | 'free';

/** Returns the policy of a field: its own `meta({ resume })`, else that of the closest enclosing section. */
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

/** Returns the policy of a config key. By default, options of plugins in slots are fixed and those of others free. */
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
