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
    .option('--resume [run]', 'resume from the newest checkpoint in the run folder, or from this run or checkpoint')
    .addOption(
      listOption(
        '--override <key>',
        'with --resume: use this run’s value for the key, even if only a preset sets it; repeatable',
      ),
    )
    .addOption(
      listOption('--resume-drop <plugin>', 'with --resume: discard the saved state of this plugin; repeatable'),
    )
    .addOption(
      new Option('--force', 'start over in a run folder with checkpoints, which are deleted').conflicts('resume'),
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
