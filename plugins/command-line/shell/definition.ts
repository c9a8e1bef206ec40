import type { Command } from 'commander';
import type { Run, RunRequest, RunResult, StartOptions } from '../../../core/runs.js';

/** Sets what the process exits with. */
export type SetExitCode = (code: number) => void;

/** What a file `commands/NAME` of a family exports as `command`: `espalier NAME`. */
export interface CommandDefinition {
  /** Its place in `espalier --help`, from the lowest. Without one it is at the end, by name. */
  readonly order?: number;
  /**
   * Describes the command, and adds its arguments, options and action. Loads nothing heavy: `--help` calls it.
   * @param hooks of the options that families add to it, filled before it runs
   */
  readonly define: (command: Command, setExitCode: SetExitCode, hooks: readonly CommandHooks[]) => void;
  /** What other programs call the command, or a part of it, and what to write here: for the hints of errors. */
  readonly aka?: Readonly<Record<string, string>>;
  /** The same of its options, with underscores: `{ max_new_tokens: '--tokens' }`. */
  readonly optionsAka?: Readonly<Record<string, string>>;
  /** What to do with an argument that a command like `train` does not take, where it is this one's; else undefined. */
  readonly meant?: (argument: string) => string | undefined;
}

/**
 * What a file `options/COMMAND` of a family exports as `options`: adds options to another's command.
 * @returns what it does when the command runs; it finds the values in `command.opts()`
 */
export type OptionsDefinition = (command: Command) => CommandHooks;

/** What options change in a command that makes a run; all optional, in the order in which they are called. */
export interface CommandHooks {
  /** Does something in place of the command. @returns the exit code, or undefined to leave the command as it is */
  replace?(): Promise<number> | undefined;
  /** Changes what the run is made from. */
  request?(request: RunRequest & StartOptions): RunRequest & StartOptions;
  /** The run is made, has its state if it resumes, and is about to start. */
  ready?(run: Run): void | Promise<void>;
  /** The run ended without an error. */
  ended?(run: Run, result: RunResult): void | Promise<void>;
  /** The run failed. @returns what the command throws */
  failed?(run: Run, thrown: unknown): Promise<unknown>;
}
