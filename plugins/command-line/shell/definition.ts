import type { Command } from 'commander';
import type { Run, RunRequest, RunResult, StartOptions } from '../../../core/runs.js';

/** Sets the exit code of the process. */
export type SetExitCode = (code: number) => void;

/** Defines `espalier NAME`; exported as `command` by a family's file `commands/NAME`. */
export interface CommandDefinition {
  /** Position in `espalier --help`, lowest first. Commands without one come last, by name. */
  readonly order?: number;
  /**
   * Adds the description, arguments, options and action. Must load nothing large, since `--help` calls it.
   * @param hooks hooks of options that families add to the command; filled before it runs
   */
  readonly define: (command: Command, setExitCode: SetExitCode, hooks: readonly CommandHooks[]) => void;
  /** Other programs' names for the command or a part of it, and what to write instead; used in hints. */
  readonly aka?: Readonly<Record<string, string>>;
  /** Other programs' names for its options, with underscores: `{ max_new_tokens: '--tokens' }`. */
  readonly optionsAka?: Readonly<Record<string, string>>;
  /** Returns a hint for an argument of another command, such as `train`, that belongs to this one; else undefined. */
  readonly meant?: (argument: string) => string | undefined;
}

/**
 * Adds options to another family's command; exported as `options` by a file `options/COMMAND`.
 * @returns hooks for when the command runs; they find the values in `command.opts()`
 */
export type OptionsDefinition = (command: Command) => CommandHooks;

/**
 * What options do in a command that makes a run. All are optional, and listed in the order in which they are called.
 */
export interface CommandHooks {
  /** Replaces the command. @returns the exit code, or undefined to run the command */
  replace?(): Promise<number> | undefined;
  /** Changes the request that the run is made from. */
  request?(request: RunRequest & StartOptions): RunRequest & StartOptions;
  /** Called when the run is made, restored if it resumes, and about to start. */
  ready?(run: Run): void | Promise<void>;
  /** Called when the run has ended without an error. */
  ended?(run: Run, result: RunResult): void | Promise<void>;
  /** Called when the run has failed. @returns what the command throws */
  failed?(run: Run, thrown: unknown): Promise<unknown>;
}
