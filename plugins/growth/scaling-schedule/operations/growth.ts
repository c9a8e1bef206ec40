import { z } from 'zod';
import type { GrowthStep } from '../../shared/growable.js';
import type { Operation, PlannedRun } from '../../shared/operation.js';
import type { ModelGrowth } from '../../shared/model-growth.js';

/** A change of the model's shape: `stack_layers`, `widen_mlp`, … */
class GrowthOperation<Value> implements Operation {
  constructor(
    readonly name: string,
    readonly value: z.ZodType<Value>,
    private readonly stepOf: (value: Value) => GrowthStep,
    private readonly growth: ModelGrowth,
  ) {}

  plan(value: unknown, run: PlannedRun): void {
    this.growth.plan(run, this.stepOf(this.value.parse(value)));
  }

  apply(value: unknown): void {
    this.growth.apply(this.stepOf(this.value.parse(value)));
  }
}

/** Standard deviation of the noise added to new MLP units, which are copies, so that they learn different things. */
const WIDEN_NOISE = 1e-4;

const rank = z.int().min(0);
const layer = z.string();

export function growthOperations(growth: ModelGrowth): Operation[] {
  const make = <Value>(name: string, value: z.ZodType<Value>, stepOf: (value: Value) => GrowthStep): Operation =>
    new GrowthOperation(name, value, stepOf, growth);
  const loraOf = (of: string) => (value: number) => ({ kind: 'set_lora_rank' as const, layer: of, rank: value });
  const widths = z.union([
    z.int().min(1),
    z.strictObject({ dim: z.int().min(1), noise: z.number().min(0).default(WIDEN_NOISE) }),
  ]);
  return [
    make('stack_layers', z.array(z.int().min(0)).min(1), (layers) => ({ kind: 'stack_layers', layers })),
    make('widen_mlp', widths, (value) => {
      const { dim, noise } = typeof value === 'number' ? { dim: value, noise: WIDEN_NOISE } : value;
      return { kind: 'widen_mlp', hidden: dim, noise };
    }),
    make('set_attn_lora_rank', rank, loraOf('attn')),
    make('set_embedding_lora_rank', rank, loraOf('wte')),
    make('set_layer_lora_rank', z.tuple([layer, rank]), ([of, value]) => loraOf(of)(value)),
    make('merge_lora_weights', z.union([z.null(), z.literal(true)]), () => ({ kind: 'merge_lora' })),
    make('freeze_layer', layer, (of) => ({ kind: 'freeze', layer: of, frozen: true })),
    make('unfreeze_layer', layer, (of) => ({ kind: 'freeze', layer: of, frozen: false })),
    make('set_embedding_freeze_mode', z.boolean(), (frozen) => ({ kind: 'freeze', layer: 'wte', frozen })),
    make('set_embedding_finetune_mode', z.boolean(), (on) => ({ kind: 'embeddings_only', on })),
  ];
}
