import type { OptionsDefinition } from '../../command-line/contract.js';

/** `train --allow-data-change` */
export const options: OptionsDefinition = (command) => {
  command.option(
    '--allow-data-change',
    'on --resume: go on with data that is not what the checkpoint was trained on (the same as --set data.allow_change=true)',
  );
  return {
    request(request) {
      const { allowDataChange } = command.opts<{ allowDataChange?: boolean }>();
      if (allowDataChange !== true) return request;
      return { ...request, set: [...(request.set ?? []), 'data.allow_change=true'] };
    },
  };
};
