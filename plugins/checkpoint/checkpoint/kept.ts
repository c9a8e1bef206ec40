import { z } from 'zod';
import type { CheckpointKind } from '../../../core/index.js';
import { Pins } from './pins.js';

/** The metric that chooses the best checkpoints. */
export const decidingSchema = z.strictObject({
  metric: z.string().min(1).default('val/loss').describe('metric that chooses the best checkpoints'),
  mode: z.enum(['min', 'max']).default('min').describe('min: lower is better; max: higher is better'),
});
export type Deciding = z.output<typeof decidingSchema>;

const named = z.string();
/** Earlier versions always chose by the validation loss, and called the value `loss`. */
const bestSchema = z.union([
  z.strictObject({ name: named, value: z.number() }),
  z.strictObject({ name: named, loss: z.number() }).transform(({ name, loss }) => ({ name, value: loss })),
]);
const dueSchema = z.union([
  z.strictObject({ value: z.number().nullable() }),
  z.strictObject({ loss: z.number().nullable() }).transform(({ loss }) => ({ value: loss })),
]);

export const stateSchema = z.strictObject({
  best: z.array(bestSchema),
  by: decidingSchema.prefault({}),
  /** Missing in checkpoints of versions without rollback. */
  scheduled: z.int().min(0).optional(),
  /** Set if another checkpoint is due after an evaluation that is still to come. */
  due: dueSchema.optional(),
  /** By owner, for pinned checkpoints that could not be written: the pinned iteration, then its stand-ins. */
  pins: z.record(z.string(), z.array(z.int().min(0))).optional(),
});
export type State = z.output<typeof stateSchema>;

/** Chooses the checkpoints that rotation never deletes: the best, pinned ones, and the one the run resumed from. */
export class Kept {
  /** Iterations done in the newest checkpoint taken on schedule. */
  scheduled: number | undefined;
  /** Name of the checkpoint that the run resumed from, until a newer one is written. */
  source: string | undefined;
  readonly pins = new Pins();
  /** The best checkpoints, best first. */
  #best: State['best'] = [];
  /** State before the checkpoint that is being written, to return to if that fails. */
  #before: Pick<State, 'best' | 'scheduled'> | undefined;

  /** @param most number of best checkpoints to keep */
  constructor(
    private readonly most: number,
    private readonly by: Deciding = decidingSchema.parse({}),
  ) {}

  /** Returns whether a checkpoint with this value would be among the best. */
  isBest(value: number): boolean {
    const worst = this.#best[this.most - 1];
    return this.most > 0 && (worst === undefined || this.#order(value, worst.value) < 0);
  }

  /** Returns a negative number if the first value is better. */
  #order(one: number, other: number): number {
    return this.by.mode === 'min' ? one - other : other - one;
  }

  /**
   * Records a checkpoint that is about to be written; `written`, `failed` or `cancel` must follow before the next one.
   * @param value of the deciding metric, if the checkpoint is one of the best
   */
  begin(name: string, { value, scheduled }: { value: number | undefined; scheduled: number | undefined }): void {
    this.#before = { best: this.#best, scheduled: this.scheduled };
    if (scheduled !== undefined) this.scheduled = scheduled;
    if (value === undefined) return;
    this.#best = [...this.#best.filter((each) => each.name !== name), { name, value }]
      .sort((a, b) => this.#order(a.value, b.value))
      .slice(0, this.most);
  }

  /** Call when the checkpoint that was begun is on disk. */
  written(iteration: number): void {
    this.#before = undefined;
    this.source = undefined;
    this.pins.written(iteration);
  }

  /** Call when it could not be written: the previous best ones stay the best. */
  failed(iteration: number): void {
    this.cancel();
    this.pins.failed(iteration);
  }

  /** Call when it is not to be written after all. */
  cancel(): void {
    if (this.#before !== undefined) ({ best: this.#best, scheduled: this.scheduled } = this.#before);
    this.#before = undefined;
  }

  /** Name of the best checkpoint. */
  get best(): string | undefined {
    return this.#best[0]?.name;
  }

  names(): Set<string> {
    const iterations = [...this.pins.iterations(), ...(this.scheduled === undefined ? [] : [this.scheduled])];
    return new Set([
      ...this.#best.map(({ name }) => name),
      ...iterations.flatMap((iteration) => [nameOf(iteration, []), nameOf(iteration, ['emergency'])]),
      ...(this.source === undefined ? [] : [this.source]),
    ]);
  }

  state(): State {
    const pins = this.pins.state();
    return {
      best: this.#best.map((each) => ({ ...each })),
      by: { ...this.by },
      scheduled: this.scheduled,
      ...(pins === undefined ? {} : { pins }),
    };
  }

  /** @returns false if another metric chose the saved best ones: they no longer count */
  restore({ best, by, scheduled, pins }: State): boolean {
    const isSame = by.metric === this.by.metric && by.mode === this.by.mode;
    this.#best = isSame ? best : [];
    this.scheduled = scheduled;
    this.pins.restore(pins);
    return isSame || best.length === 0;
  }
}

/** Names a checkpoint: `000250`, or `000251-emergency` if an uninterrupted run would not have it. */
export function nameOf(iteration: number, kinds: readonly CheckpointKind[]): string {
  const isExtra = kinds.length > 0 && kinds.every((kind) => kind === 'emergency');
  return `${String(iteration).padStart(6, '0')}${isExtra ? '-emergency' : ''}`;
}

/** Returns the metric that chose the best checkpoints, from the plugin's state in a checkpoint. */
export function metricThatDecides(state: unknown): string {
  const { data } = z.object({ by: decidingSchema.prefault({}) }).safeParse(state ?? {});
  return (data?.by ?? decidingSchema.parse({})).metric;
}
