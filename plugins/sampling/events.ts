import { defineEvents, field, type PayloadsOf } from '../../core/events/index.js';

export const events = defineEvents({
  sample: {
    when: 'when a plugin has generated a text',
    payload: {
      iteration: field<number>('iterations done'),
      prompt: field<string>('the prompt'),
      text: field<string>('the generated text, without the prompt'),
    },
  },
});

declare module '../../core/events/index.js' {
  interface Events extends PayloadsOf<typeof events> {}
}

export type Sample = PayloadsOf<typeof events>['sample'];
