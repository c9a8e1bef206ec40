import { type OptionsDefinition, commandName } from '../../command-line/contract.js';

/** Adds `train --sample`. */
export const options: OptionsDefinition = (command) => {
  command.option('--sample', 'print a sample of generated text at the end');
  return {
    async ended(run, { status }) {
      const { sample } = command.opts<{ sample?: boolean }>();
      if (sample !== true || status !== 'done') return;
      const { Logger, Ranks } = await import('../../../core/index.js');
      if (run.container.resolve(Ranks).rank > 0) return;
      const log = run.container.resolve(Logger);
      const { sampleFrom } = await import('../text/samples.js');
      log.info('a sample of the model:');
      console.log(await sampleFrom(run, { tokens: 300 }));
      log.info(`more: ${commandName()} sample ${run.folder.shown}`);
    },
  };
};
