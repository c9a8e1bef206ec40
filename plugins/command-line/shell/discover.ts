import type { Command } from 'commander';
import { UsageError, messageOf } from '../../../core/errors.js';
import { families as familiesOf, importFrom, type Family } from '../../../core/installation.js';
import type { CommandDefinition, CommandHooks, OptionsDefinition } from './definition.js';

/** A command and the file that defines it, which is not loaded yet. */
export interface FoundCommand {
  readonly name: string;
  readonly file: string;
  /** The family or package that has it, for errors. */
  readonly owner: string;
  /** `built-in`, or the package. */
  readonly source: string;
}

/** Finds the commands of all families, by name. @throws UsageError when two have the same name */
export function findCommands(families: readonly Family[] = familiesOf(process.cwd())): Map<string, FoundCommand> {
  const found = new Map<string, FoundCommand>();
  for (const { owner, source, commands } of families.map(ownerOf)) {
    for (const [name, file] of commands) {
      const other = found.get(name);
      if (other !== undefined) throw twice(`two commands are named ${name}`, other.owner, owner);
      found.set(name, { name, file, owner, source });
    }
  }
  return found;
}

/** Loads a command's file. @throws UsageError when it exports no command */
export async function loadCommand({ name, file, owner, source }: FoundCommand): Promise<CommandDefinition> {
  const { command } = await exportsOf(file, source);
  if (isCommand(command)) return command;
  const what = `command ${name} of ${owner} (${file}) exports no \`command\` with a \`define(command)\``;
  throw new UsageError('ESP_COMMAND_EXPORT', `${what}: see docs/plugins/packages.md`);
}

/**
 * Adds the options that families define for a command.
 * @returns their hooks
 * @throws UsageError when two families define the same option
 */
export async function addOptions(
  command: Command,
  families: readonly Family[] = familiesOf(process.cwd()),
): Promise<CommandHooks[]> {
  const owners = new Map(flagsOf(command).map((flag) => [flag, 'espalier']));
  const hooks: CommandHooks[] = [];
  for (const family of families) {
    const file = family.options.get(command.name());
    if (file === undefined) continue;
    const { owner } = ownerOf(family);
    const { options } = await exportsOf(file, family.source);
    if (!isOptions(options)) {
      const what = `the options of ${owner} for ${command.name()} (${file}) export no function \`options\``;
      throw new UsageError('ESP_COMMAND_EXPORT', `${what}: see docs/plugins/packages.md`);
    }
    try {
      hooks.push(options(command));
    } catch (thrown) {
      // Commander's error for a duplicate option names the flag.
      const flag = /conflicting flag '([^']+)'/.exec(messageOf(thrown))?.[1];
      if (flag === undefined) throw thrown;
      throw twice(`two options of ${command.name()} are named ${flag}`, owners.get(flag) ?? owner, owner);
    }
    for (const flag of flagsOf(command)) if (!owners.has(flag)) owners.set(flag, owner);
  }
  return hooks;
}

function ownerOf({ name, source, commands }: Family): { owner: string } & Pick<Family, 'source' | 'commands'> {
  return { owner: source === 'built-in' ? `the family ${name}` : `the package ${source}`, source, commands };
}

/** Imports a file. @throws UsageError when a package's file does not load */
async function exportsOf(file: string, source: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const { exports } = await importFrom(file, source);
    return typeof exports === 'object' && exports !== null ? { ...exports } : {};
  } catch (thrown) {
    if (source === 'built-in') throw thrown;
    const what = `${file} of the package ${source} failed to load: ${messageOf(thrown)}`;
    throw new UsageError('ESP_COMMAND_EXPORT', what, { cause: thrown });
  }
}

function isCommand(value: unknown): value is CommandDefinition {
  return typeof value === 'object' && value !== null && 'define' in value && typeof value.define === 'function';
}

function isOptions(value: unknown): value is OptionsDefinition {
  return typeof value === 'function';
}

function flagsOf(command: Command): string[] {
  return command.options.flatMap(({ short, long }) => [short, long]).filter((flag) => flag !== undefined);
}

function twice(what: string, one: string, other: string): UsageError {
  return new UsageError('ESP_COMMAND_TWICE', `${what}: one of ${one}, one of ${other}; rename or remove one`);
}
