import { defineEvents, field, type PayloadsOf } from '../../core/events/index.js';

export const events = defineEvents({
  histogram: {
    when: 'after a plugin has computed the histogram of a tensor',
    payload: {
      iteration: field<number>('iterations done'),
      name: field<string>('name, e.g. `weights/transformer.h.0.attn.c_attn.weight` or `gradients/…`'),
      edges: field<readonly number[]>('edges of the buckets, [buckets + 1], ascending'),
      counts: field<readonly number[]>('elements in each bucket, [buckets]'),
      sum: field<number>('sum of the elements'),
      sumOfSquares: field<number>('sum of their squares'),
    },
  },
});

declare module '../../core/events/index.js' {
  interface Events extends PayloadsOf<typeof events> {}
}

export type Histogram = PayloadsOf<typeof events>['histogram'];
