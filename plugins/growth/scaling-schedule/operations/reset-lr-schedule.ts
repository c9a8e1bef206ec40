import { z } from 'zod';
import type { Tunables } from '../../../../core/index.js';
import type { Operation } from '../../shared/operation.js';

const OFFSET = 'lr_schedule_offset';

/** Starts the learning rate's schedule again from this iteration, warm-up included. */
export class ResetLrSchedule implements Operation {
  readonly name = 'reset_lr_schedule';
  readonly value = z.union([z.null(), z.literal(true)]);

  constructor(private readonly tunables: Tunables) {}

  plan(): void {
    this.tunables.range(OFFSET);
  }

  apply(_value: unknown, iteration: number): void {
    this.tunables.set(OFFSET, iteration);
  }
}
