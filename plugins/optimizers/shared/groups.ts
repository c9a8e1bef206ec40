import { z } from 'zod';
import { UsageError } from '../../../core/index.js';
import { weightRoles, type WeightRole } from './roles.js';

const role = z.enum(weightRoles);
const block = z.int().min(0);
const SETTINGS = ['lr', 'layer_decay', 'weight_decay', 'frozen'] as const;

const group = z
  .strictObject({
    name: z.string().min(1).optional().describe('a pattern of names of weights; * stands for any characters'),
    role: z
      .union([role, z.array(role).min(1)])
      .optional()
      .describe('roles of the weights, one or a list'),
    depth: z
      .union([block, z.tuple([block, block])])
      .optional()
      .describe('index of their block, from 0, or [first, last]'),
    lr: z
      .number()
      .min(0)
      .optional()
      .describe('learning rate of these weights; follows the schedule as learning_rate does'),
    layer_decay: z
      .number()
      .gt(0)
      .max(1)
      .optional()
      .describe('factor of the rate for each layer below the last: the head and the last norm have factor 1'),
    weight_decay: z.number().min(0).optional().describe('their decay'),
    frozen: z.boolean().optional().describe('true: do not train them'),
  })
  .refine((given) => SETTINGS.some((key) => given[key] !== undefined), {
    error: `sets nothing: give one of ${SETTINGS.join(', ')}`,
  });

/** The option `groups` of an optimizer. */
export const groupOptions = z
  .array(group)
  .default([])
  .describe('settings for groups of weights; if several groups match a weight, the last wins');
export type WeightGroup = z.output<typeof group>;

/** Training settings of a weight. */
export interface WeightSettings {
  /** Factor of the scheduled learning rate. */
  readonly rate: number;
  readonly weightDecay: number;
  readonly frozen: boolean;
}

/** A model's weights and their roles. */
export interface GroupedWeights {
  readonly names: Iterable<string>;
  /** Undefined if the model does not declare them. */
  readonly roles: ReadonlyMap<string, WeightRole> | undefined;
}

export interface GroupDefaults {
  /** The optimizer's learning rate, which the schedule scales. */
  readonly learningRate: number;
  weightDecay(name: string): number;
}

/**
 * Returns the settings of each weight.
 * @param keyOf returns a group's place and key for errors
 * @throws UsageError for a group that matches no weight, or that selects by roles which the model does not declare
 */
export function settingsOf(
  groups: readonly WeightGroup[],
  { names, roles }: GroupedWeights,
  defaults: GroupDefaults,
  keyOf: (index: number) => string,
): Map<string, WeightSettings> {
  const all = [...names];
  const layers = 1 + Math.max(-1, ...[...(roles?.values() ?? [])].map(({ depth }) => depth ?? -1));
  const settings = new Map(
    all.map((name) => [name, { rate: 1, weightDecay: defaults.weightDecay(name), frozen: false }]),
  );
  const own = new Map<string, Pick<WeightGroup, 'lr' | 'layer_decay'>>();
  for (const [index, each] of groups.entries()) {
    if (roles === undefined && (each.role ?? each.depth ?? each.layer_decay) !== undefined) {
      throw new UsageError(
        'ESP_OPTIMIZER_GROUP',
        `${keyOf(index)} selects weights by role, but this model does not say the roles of its weights: select by name, or bind WeightRoles in the model (docs/guides/optimizers.md)`,
      );
    }
    const chosen = all.filter((name) => matches(each, name, roles?.get(name)));
    if (chosen.length === 0) {
      throw new UsageError(
        'ESP_OPTIMIZER_GROUP',
        `${keyOf(index)} (${JSON.stringify(each)}) matches no weight: ${choices(each, all, layers)}`,
      );
    }
    for (const name of chosen) {
      const before = settings.get(name);
      if (before === undefined) continue;
      const rates = { ...own.get(name), ...given(each) };
      own.set(name, rates);
      settings.set(name, {
        rate: rateOf(rates, roles?.get(name), layers, defaults.learningRate),
        weightDecay: each.weight_decay ?? before.weightDecay,
        frozen: each.frozen ?? before.frozen,
      });
    }
  }
  return settings;
}

function given({ lr, layer_decay: decay }: WeightGroup): Pick<WeightGroup, 'lr' | 'layer_decay'> {
  return { ...(lr === undefined ? {} : { lr }), ...(decay === undefined ? {} : { layer_decay: decay }) };
}

/**
 * Layers as in Clark et al., "ELECTRA", ICLR 2020: embeddings are below the first block, all that follows the last
 * block above it.
 */
function rateOf(
  { lr, layer_decay: decay = 1 }: Pick<WeightGroup, 'lr' | 'layer_decay'>,
  what: WeightRole | undefined,
  layers: number,
  base: number,
): number {
  const layer = what?.depth === undefined ? (what?.role === 'embedding' ? 0 : layers + 1) : what.depth + 1;
  return (lr === undefined ? 1 : lr / base) * decay ** (layers + 1 - layer);
}

function matches({ name: pattern, role: wanted, depth }: WeightGroup, name: string, what?: WeightRole): boolean {
  if (pattern !== undefined && !patternOf(pattern).test(name)) return false;
  if (wanted !== undefined && (what === undefined || ![wanted].flat().includes(what.role))) return false;
  if (depth === undefined) return true;
  const [first, last] = typeof depth === 'number' ? [depth, depth] : depth;
  return what?.depth !== undefined && what.depth >= first && what.depth <= last;
}

function patternOf(pattern: string): RegExp {
  const parts = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`);
}

/** Describes what a group can select. */
function choices({ name, depth }: WeightGroup, all: readonly string[], layers: number): string {
  if (name === undefined && depth !== undefined) return `the model has blocks 0 to ${String(layers - 1)}`;
  return `weights are named like ${all.slice(0, 3).join(', ')}; in a pattern, * stands for any characters`;
}
