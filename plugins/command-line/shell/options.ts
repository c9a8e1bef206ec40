import { fileURLToPath } from 'node:url';
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { RunRequest } from '../../../core/runs.js';
import { Terminal } from '../../../core/terminal.js';
import { packageCommands } from '../../packages/contract.js';

/** Options of every command that composes a config. */
export interface ConfigFlags {
  preset: string[];
  set: string[];
  config?: string;
  quiet?: boolean;
}

/** Makes `--set`, with a description for the command. */
export function setOption(description: string): Option {
  return listOption('-s, --set <key=value>', description);
}

/** Makes an option that may be repeated. */
export function listOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(collect).default([], 'none');
}

/** Adds `--preset`, `--set`, `--config` and `--quiet`. */
export function withConfigFlags(command: Command): Command {
  return command
    .addOption(listOption('-p, --preset <name|path>', 'apply a preset over the config file; repeatable'))
    .addOption(setOption('override one setting, e.g. train.max_iters=100; repeatable'))
    .option('-c, --config <file>', 'config file (default: espalier.config.* or .espalierrc* in this folder)')
    .option('-q, --quiet', 'print errors and results only');
}

/** Converts the flags to a request for a run. */
export function requestOf(flags: ConfigFlags): RunRequest {
  return {
    cwd: process.cwd(),
    presets: flags.preset,
    set: flags.set,
    ...(flags.config === undefined ? {} : { configFile: flags.config }),
    terminal: new Terminal({ quiet: flags.quiet ?? false }),
  };
}

/** Prints a result: as JSON with `--json`, else as text. */
export function print(json: boolean | undefined, value: unknown, text: () => string): void {
  console.log(json === true ? JSON.stringify(value, null, 2) : text());
}

/** Makes a parser for an option's whole number. @throws InvalidArgumentError if it is not one from `least` to `most` */
export function wholeFrom(least: number, most = Infinity): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least && value <= most) return value;
    const upTo = most === Infinity ? '' : ` to ${String(most)}`;
    throw new InvalidArgumentError(`give a whole number from ${String(least)}${upTo}.`);
  };
}

/** The main file, for starting `node FILE train` in another process. */
export const mainFile = fileURLToPath(new URL('./main.js', import.meta.url));

/**
 * Returns how to call espalier in advice: as `npx espalier` or the like if a package manager started it, since it may not
 * be on the shell's path.
 */
export function commandName(): string {
  return process.env['npm_config_user_agent'] === undefined ? 'espalier' : `${packageCommands().run} espalier`;
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}
