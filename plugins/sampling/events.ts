import { defineEvents, field, type PayloadsOf } from '../../core/events/index.js';

export const events = defineEvents({
  sample: {
    when: 'when a plugin has had the model write a text',
    payload: {
      iteration: field<number>('iterations done'),
      prompt: field<string>('what the text continues'),
      text: field<string>('what the model wrote after the prompt'),
    },
  },
});

declare module '../../core/events/index.js' {
  interface Events extends PayloadsOf<typeof events> {}
}

export type Sample = PayloadsOf<typeof events>['sample'];
