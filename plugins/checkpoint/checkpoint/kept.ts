import { z } from 'zod';
import type { CheckpointKind } from '../../../core/index.js';
import { Pins } from './pins.js';

export const stateSchema = z.strictObject({
  best: z.array(z.strictObject({ name: z.string(), loss: z.number() })),
  /** Not told by checkpoints from before runs could go back. */
  scheduled: z.int().min(0).optional(),
  /** What is known of the checkpoint that is taken after an evaluation which is still to come. */
  due: z.strictObject({ loss: z.number().nullable() }).optional(),
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
  /** Lowest losses first. */
  #best: State['best'] = [];
  /** What was known before the checkpoint that is being written. */
  #before: Pick<State, 'best' | 'scheduled'> | undefined;

  /** @param most the best that are kept */
  constructor(private readonly most: number) {}

  /** Whether one of that loss would be among the best. */
  isBest(loss: number): boolean {
    const worst = this.#best.length < this.most ? Infinity : (this.#best.at(-1)?.loss ?? -Infinity);
    return this.most > 0 && loss < worst;
  }

  /**
   * Notes a checkpoint that is about to be written; `written`, `failed` or `cancel` must follow before the next one.
   * @param loss where it is one of the best
   */
  begin(name: string, { loss, scheduled }: { loss: number | undefined; scheduled: number | undefined }): void {
    this.#before = { best: this.#best, scheduled: this.scheduled };
    if (scheduled !== undefined) this.scheduled = scheduled;
    if (loss === undefined) return;
    this.#best = [...this.#best.filter((each) => each.name !== name), { name, loss }]
      .sort((a, b) => a.loss - b.loss)
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
      scheduled: this.scheduled,
      ...(pins === undefined ? {} : { pins }),
    };
  }

  restore({ best, scheduled, pins }: State): void {
    this.#best = best;
    this.scheduled = scheduled;
    this.pins.restore(pins);
  }
}

/** `000250`; `000251-emergency` where nothing else asked for it: what an uninterrupted run has is called as it is there. */
export function nameOf(iteration: number, kinds: readonly CheckpointKind[]): string {
  const isExtra = kinds.length > 0 && kinds.every((kind) => kind === 'emergency');
  return `${String(iteration).padStart(6, '0')}${isExtra ? '-emergency' : ''}`;
}
