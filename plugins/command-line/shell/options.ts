import { fileURLToPath } from 'node:url';
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { RunRequest } from '../../../core/runs.js';
import { Terminal } from '../../../core/terminal.js';

/** Options of every command that composes a config. */
export interface ConfigFlags {
  preset: string[];
  set: string[];
  config?: string;
  quiet?: boolean;
}

/** `--set`, with the words that its command has for it. */
export function setOption(description: string): Option {
  return listOption('-s, --set <key=value>', description);
}

/** An option that may be given several times. */
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

/** The request that the flags stand for. */
export function requestOf(flags: ConfigFlags): RunRequest {
  return {
    cwd: process.cwd(),
    presets: flags.preset,
    set: flags.set,
    ...(flags.config === undefined ? {} : { configFile: flags.config }),
    terminal: new Terminal({ quiet: flags.quiet ?? false }),
  };
}

/** Prints facts: as JSON with `--json`, else as text. */
export function print(json: boolean | undefined, value: unknown, text: () => string): void {
  console.log(json === true ? JSON.stringify(value, null, 2) : text());
}

/** Reads a whole number of an option. @throws InvalidArgumentError for anything else, and outside `least` to `most` */
export function wholeFrom(least: number, most = Infinity): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least && value <= most) return value;
    const upTo = most === Infinity ? '' : ` to ${String(most)}`;
    throw new InvalidArgumentError(`give a whole number from ${String(least)}${upTo}.`);
  };
}

/** The file of the command, for commands that start others: `node FILE train`. */
export const mainFile = fileURLToPath(new URL('./main.js', import.meta.url));

/** How the reader calls this command: npm, which sets the variable, knows where it is; their shell may not. */
export function commandName(): string {
  return process.env['npm_command'] === undefined ? 'espalier' : 'npx espalier';
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}
