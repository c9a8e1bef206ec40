import { defineEvents, field, type PayloadsOf } from '../../core/events/index.js';

/** One operation of a schedule, as the event `operation` reports it. */
export interface ScheduledOperation {
  readonly name: string;
  readonly value: unknown;
  readonly completed: boolean;
  readonly desc?: string | undefined;
}

export const events = defineEvents({
  operation: {
    when: 'when an operation of a schedule starts, succeeds or fails, and after the evaluation it asked for',
    payload: {
      iteration: field<number>('iterations done'),
      name: field<string>('name of the operation'),
      value: field<unknown>('argument of the operation'),
      outcome: field<'start' | 'success' | 'error' | 'reevaluation'>('start, success, error or reevaluation'),
      message: field<string | undefined>('what went wrong, or the validation loss of the evaluation it asked for'),
      schedule: field<readonly ScheduledOperation[]>('every operation, and whether it is completed'),
    },
  },
});

declare module '../../core/events/index.js' {
  interface Events extends PayloadsOf<typeof events> {}
}

export type OperationEvent = PayloadsOf<typeof events>['operation'];
