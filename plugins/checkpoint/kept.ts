import { z } from 'zod';
import type { CheckpointKind } from '../../core/index.js';

export const stateSchema = z.strictObject({
  best: z.array(z.strictObject({ name: z.string(), loss: z.number() })),
  /** Not told by checkpoints from before runs could go back. */
  scheduled: z.int().min(0).optional(),
  /** What is known of the checkpoint that is taken after an evaluation which is still to come. */
  due: z.strictObject({ loss: z.number().nullable() }).optional(),
});
export type State = z.output<typeof stateSchema>;

/** Which checkpoints rotation leaves, whatever their place: the best, those that are pinned, and where a run goes on from. */
export class Kept {
  /** Iterations done in the newest one that was taken on schedule. */
  scheduled: number | undefined;
  /** Name of the one that the run goes on from, until there is a newer one. */
  source: string | undefined;
  /** Lowest losses first. */
  #best: State['best'] = [];
  /** Iterations that plugins pinned, by who did. */
  readonly #pinned = new Map<string, number>();

  /** @param most the best that are kept */
  constructor(private readonly most: number) {}

  /** Whether one of that loss would be among the best. */
  isBest(loss: number): boolean {
    const worst = this.#best.length < this.most ? Infinity : (this.#best.at(-1)?.loss ?? -Infinity);
    return this.most > 0 && loss < worst;
  }

  noteBest(name: string, loss: number): void {
    this.#best = [...this.#best.filter((each) => each.name !== name), { name, loss }]
      .sort((a, b) => a.loss - b.loss)
      .slice(0, this.most);
  }

  /** Name of the best. */
  get best(): string | undefined {
    return this.#best[0]?.name;
  }

  /** It could not be written. */
  drop(name: string): void {
    this.#best = this.#best.filter((each) => each.name !== name);
  }

  pin(owner: string, iteration: number | undefined): void {
    if (iteration === undefined) this.#pinned.delete(owner);
    else this.#pinned.set(owner, iteration);
  }

  names(): Set<string> {
    const iterations = [...this.#pinned.values(), ...(this.scheduled === undefined ? [] : [this.scheduled])];
    return new Set([
      ...this.#best.map(({ name }) => name),
      ...iterations.flatMap((iteration) => [nameOf(iteration, []), nameOf(iteration, ['emergency'])]),
      ...(this.source === undefined ? [] : [this.source]),
    ]);
  }

  state(): State {
    return { best: this.#best.map((each) => ({ ...each })), scheduled: this.scheduled };
  }

  restore({ best, scheduled }: State): void {
    this.#best = best;
    this.scheduled = scheduled;
  }
}

/** `000250`; `000251-emergency` where nothing else asked for it: what an uninterrupted run has is called as it is there. */
export function nameOf(iteration: number, kinds: readonly CheckpointKind[]): string {
  const isExtra = kinds.length > 0 && kinds.every((kind) => kind === 'emergency');
  return `${String(iteration).padStart(6, '0')}${isExtra ? '-emergency' : ''}`;
}
