import { z } from 'zod';
import type { Tunables } from '../../../../core/index.js';
import type { Operation } from '../../shared/operation.js';

const OFFSET = 'lr_schedule_offset';

/** Restarts the learning-rate schedule at this iteration, including its warm-up. */
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
