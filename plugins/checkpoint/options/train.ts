import { Option } from 'commander';
import { listOption, type OptionsDefinition } from '../../command-line/contract.js';

interface ResumeFlags {
  resume?: boolean | string;
  override: string[];
  resumeDrop: string[];
  force?: boolean;
}

/** `train --resume`, with `--override` and `--resume-drop`, and `--force` */
export const options: OptionsDefinition = (command) => {
  command
    .option(
      '--resume [run]',
      'go on from the newest checkpoint of the run’s folder, or of the run or checkpoint that is named',
    )
    .addOption(listOption('--override <key>', 'on --resume: take this setting of now, whatever gave it; repeatable'))
    .addOption(listOption('--resume-drop <plugin>', 'on --resume: let this plugin start afresh; repeatable'))
    .addOption(
      new Option('--force', 'start over in a run folder that holds checkpoints, which are deleted').conflicts('resume'),
    );
  return {
    request(request) {
      const { resume, override, resumeDrop, force } = command.opts<ResumeFlags>();
      return { ...request, resume, override, resumeDrop, force };
    },
    async failed(run, thrown) {
      const { withAdvice } = await import('../resume/advice.js');
      return withAdvice(thrown, run);
    },
  };
};
