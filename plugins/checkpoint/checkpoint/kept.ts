import { z } from 'zod';
import type { CheckpointKind } from '../../../core/index.js';
import { Pins } from './pins.js';

/** What decides which checkpoint is the best. */
export const decidingSchema = z.strictObject({
  metric: z.string().min(1).default('val/loss').describe('metric that chooses the best checkpoints'),
  mode: z.enum(['min', 'max']).default('min').describe('min: lower is better; max: higher is better'),
});
export type Deciding = z.output<typeof decidingSchema>;

/** Until any metric could decide, the value was called `loss`. */
const named = z.string();
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
  /** Not told by checkpoints from before runs could go back. */
  scheduled: z.int().min(0).optional(),
  /** What is known of the checkpoint that is taken after an evaluation which is still to come. */
  due: dueSchema.optional(),
  /** Iterations pinned in place of one that could not be written, by owner: the pinned one, then its stand-ins. */
  pins: z.record(z.string(), z.array(z.int().min(0))).optional(),
});
export type State = z.output<typeof stateSchema>;

/** Which checkpoints rotation leaves, whatever their place: the best, those that are pinned, and where a run goes on from. */
export class Kept {
  /** Iterations done in the newest one that was taken on schedule. */
  scheduled: number | undefined;
  /** Name of the one that the run goes on from, until there is a newer one. */
  source: string | undefined;
  readonly pins = new Pins();
  /** The best first. */
  #best: State['best'] = [];
  /** What was known before the checkpoint that is being written. */
  #before: Pick<State, 'best' | 'scheduled'> | undefined;

  /** @param most the best that are kept */
  constructor(
    private readonly most: number,
    private readonly by: Deciding = decidingSchema.parse({}),
  ) {}

  /** Whether one of that value would be among the best. */
  isBest(value: number): boolean {
    const worst = this.#best[this.most - 1];
    return this.most > 0 && (worst === undefined || this.#order(value, worst.value) < 0);
  }

  /** Negative if the first is better. */
  #order(one: number, other: number): number {
    return this.by.mode === 'min' ? one - other : other - one;
  }

  /**
   * Notes a checkpoint that is about to be written; `written`, `failed` or `cancel` must follow before the next one.
   * @param value if it is one of the best
   */
  begin(name: string, { value, scheduled }: { value: number | undefined; scheduled: number | undefined }): void {
    this.#before = { best: this.#best, scheduled: this.scheduled };
    if (scheduled !== undefined) this.scheduled = scheduled;
    if (value === undefined) return;
    this.#best = [...this.#best.filter((each) => each.name !== name), { name, value }]
      .sort((a, b) => this.#order(a.value, b.value))
      .slice(0, this.most);
  }

  /** The checkpoint that was begun is on disk. */
  written(iteration: number): void {
    this.#before = undefined;
    this.source = undefined;
    this.pins.written(iteration);
  }

  /** It could not be written: what was the best before it still is. */
  failed(iteration: number): void {
    this.cancel();
    this.pins.failed(iteration);
  }

  /** It is not to be written after all. */
  cancel(): void {
    if (this.#before !== undefined) ({ best: this.#best, scheduled: this.scheduled } = this.#before);
    this.#before = undefined;
  }

  /** Name of the best. */
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

  /** @returns false if another metric decided until then: no checkpoint is known to be the best */
  restore({ best, by, scheduled, pins }: State): boolean {
    const isSame = by.metric === this.by.metric && by.mode === this.by.mode;
    this.#best = isSame ? best : [];
    this.scheduled = scheduled;
    this.pins.restore(pins);
    return isSame || best.length === 0;
  }
}

/** `000250`; `000251-emergency` where nothing else asked for it: what an uninterrupted run has is called as it is there. */
export function nameOf(iteration: number, kinds: readonly CheckpointKind[]): string {
  const isExtra = kinds.length > 0 && kinds.every((kind) => kind === 'emergency');
  return `${String(iteration).padStart(6, '0')}${isExtra ? '-emergency' : ''}`;
}

/** The metric that decided which checkpoint was the best, of the plugin's state in a checkpoint. */
export function metricThatDecides(state: unknown): string {
  const { data } = z.object({ by: decidingSchema.prefault({}) }).safeParse(state ?? {});
  return (data?.by ?? decidingSchema.parse({})).metric;
}
