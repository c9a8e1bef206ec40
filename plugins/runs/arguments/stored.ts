import { Argument, type Command } from 'commander';

/** Makes the argument of commands that read a run; `given ?? newestRun(cwd, console.error)` is the folder it means. */
export function runArgument(): Argument {
  return new Argument('[run]', 'folder of a run or checkpoint (default: the newest run in runs/)');
}

/** Which of a run's weights a command uses. */
export interface StoredFlags {
  readonly best?: boolean | undefined;
  readonly weights?: string | undefined;
}

/** Adds `--best` and `--weights` to a command that reads one checkpoint. */
export function withStoredFlags(command: Command): Command {
  return command
    .option('--best', 'use the best checkpoint, by plugins.checkpoint.best (default: the newest)')
    .option('--weights <plugin>', 'use the weights of this plugin, such as ema (default: the model’s)');
}
