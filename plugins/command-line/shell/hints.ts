import type { SettingCalled } from '../../configs/contract.js';
import type { CommandDefinition } from './definition.js';
import { findCommands, loadCommand } from './discover.js';

/** A command line that commander has refused. */
export interface Refused {
  /** Commander's message, ending with a line break. */
  readonly message: string;
  /** The arguments after `espalier`. */
  readonly typed: readonly string[];
  /** Whether the command has `--set`; otherwise an unknown option cannot be meant as a setting. */
  readonly hasSet: boolean;
}

/** Other programs' names for commands and settings. */
export interface OtherPrograms {
  /** Commands by name. */
  readonly commands: () => Promise<ReadonlyMap<string, CommandDefinition>>;
  readonly settings: () => Promise<SettingCalled>;
}

/** Reads these names from the definitions of commands, and from plugins' options. */
export const otherPrograms: OtherPrograms = {
  async commands() {
    const found = [...findCommands()];
    return new Map(
      await Promise.all(
        found.map(async ([name, command]): Promise<[string, CommandDefinition]> => [name, await loadCommand(command)]),
      ),
    );
  },
  settings: async () => (await import('../../configs/contract.js')).otherNames(),
};

/** Returns commander's message, with a hint if a setting or another program's name was meant. */
export async function withHint(refused: Refused, others: OtherPrograms): Promise<string> {
  const [first = ''] = refused.message.split('\n');
  const hint = await hintFor(first, refused, others);
  return hint === undefined ? refused.message : `${first}\n(${hint})\n`;
}

async function hintFor(
  message: string,
  { typed: [command = '', ...rest], hasSet }: Refused,
  { commands, settings }: OtherPrograms,
): Promise<string | undefined> {
  if (message.includes('unknown command')) {
    const known = [...(await commands()).values()];
    const meant = known.flatMap(({ aka = {} }) => (Object.hasOwn(aka, command) ? [aka[command]] : []))[0];
    return meant === undefined ? undefined : `write ${['espalier', meant, ...rest].join(' ')}`;
  }
  if (message.includes('too many arguments')) {
    return hasSet ? ((await meantSetting(rest, settings)) ?? meantArgument(rest, await commands())) : undefined;
  }
  const option = /unknown option '(-[^']*)'/.exec(message)?.[1];
  if (option === undefined) return undefined;
  const { name, value } = readOption(option, rest);
  const { optionsAka = {} } = (await commands()).get(command) ?? {};
  const plain = name.replaceAll('-', '_');
  if (Object.hasOwn(optionsAka, plain)) return `write ${optionsAka[plain] ?? ''} ${value}`;
  if (!hasSet) return undefined;
  const setting = name.includes('.') ? name : (await settings())(name);
  return setting === undefined ? undefined : `write --set ${setting}=${value}`;
}

/** Splits an option from its value, which follows `=` or is the next argument. */
function readOption(option: string, rest: readonly string[]): { name: string; value: string } {
  const [name = '', ...given] = option.replace(/^-+/, '').split('=');
  if (given.length > 0) return { name, value: given.join('=') };
  const next = rest[rest.indexOf(option) + 1];
  return { name, value: next === undefined || next.startsWith('-') ? 'VALUE' : next };
}

/** Finds an argument that should have been given with `--set`: `train max_iters=3`. */
async function meantSetting(rest: readonly string[], settings: OtherPrograms['settings']): Promise<string | undefined> {
  const setting = rest.find((each, index) => /^[\w."]+[^=]*=/.test(each) && !(rest[index - 1] ?? '').startsWith('-'));
  if (setting === undefined) return undefined;
  const [name = '', ...value] = setting.split('=');
  return `write --set ${(await settings())(name) ?? name}=${value.join('=')}`;
}

function meantArgument(rest: readonly string[], commands: ReadonlyMap<string, CommandDefinition>): string | undefined {
  return [...commands.values()]
    .flatMap(({ meant }) => rest.map((argument) => meant?.(argument)))
    .find((hint) => hint !== undefined);
}
