import { z } from 'zod';
import type { Tunables } from '../../../../core/index.js';
import type { Operation, PlannedRun } from '../../shared/operation.js';

/** Sets a tunable of the run: `set_lr`, `set_batch_size`, … */
export class SetTunable implements Operation {
  readonly value = z.number();

  constructor(
    readonly name: string,
    private readonly tunable: string,
    private readonly tunables: Tunables,
  ) {}

  plan(value: unknown, run: PlannedRun): void {
    const next = this.value.parse(value);
    this.tunables.check(this.tunable, next);
    run.tunables.set(this.tunable, next);
  }

  apply(value: unknown): void {
    this.tunables.set(this.tunable, this.value.parse(value));
  }
}

/** Multiplies a tunable of the run, rounding if it is a whole number: `change_lr`, `change_batch_size`, … */
export class ChangeTunable implements Operation {
  readonly value = z.number().gt(0);

  constructor(
    readonly name: string,
    private readonly tunable: string,
    private readonly tunables: Tunables,
  ) {}

  plan(value: unknown, run: PlannedRun): void {
    const next = this.#changed(value, run.tunables);
    this.tunables.check(this.tunable, next);
    run.tunables.set(this.tunable, next);
  }

  apply(value: unknown): void {
    this.tunables.set(this.tunable, this.#changed(value, this.tunables.values()));
  }

  #changed(value: unknown, values: ReadonlyMap<string, number>): number {
    const { whole } = this.tunables.range(this.tunable);
    const product = (values.get(this.tunable) ?? NaN) * this.value.parse(value);
    return whole ? Math.round(product) : product;
  }
}
