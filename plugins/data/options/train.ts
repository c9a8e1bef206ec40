import type { OptionsDefinition } from '../../command-line/contract.js';

/** `train --allow-data-change` */
export const options: OptionsDefinition = (command) => {
  command.option(
    '--allow-data-change',
    'with --resume: allow data other than the checkpoint’s (same as --set data.allow_change=true)',
  );
  return {
    request(request) {
      const { allowDataChange } = command.opts<{ allowDataChange?: boolean }>();
      if (allowDataChange !== true) return request;
      return { ...request, set: [...(request.set ?? []), 'data.allow_change=true'] };
    },
  };
};
