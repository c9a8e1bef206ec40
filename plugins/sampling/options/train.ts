import { type OptionsDefinition, commandName } from '../../../core/command.js';
import { Ranks, Logger } from '../../../core/index.js';

/** `train --sample` */
export const options: OptionsDefinition = (command) => {
  command.option('--sample', 'end by printing a sample of what the model writes');
  return {
    async ended(run, { status }) {
      const { sample } = command.opts<{ sample?: boolean }>();
      if (sample !== true || status !== 'done' || run.container.resolve(Ranks).rank > 0) return;
      const log = run.container.resolve(Logger);
      const { sampleFrom } = await import('../commands/sample.js');
      log.info('a sample of what the model writes:');
      console.log(await sampleFrom(run, { tokens: 300 }));
      log.info(`more: ${commandName()} sample ${run.folder.shown}`);
    },
  };
};
