import type { SettingCalled } from '../../configs/contract.js';
import type { CommandDefinition } from './definition.js';
import { findCommands, loadCommand } from './discover.js';

/** A command line that commander refuses. */
export interface Refused {
  /** Commander's words, with a line break at the end. */
  readonly message: string;
  /** What was typed behind `espalier`. */
  readonly typed: readonly string[];
  /** Whether the command has `--set`: for others, an option that they do not know is no setting. */
  readonly hasSet: boolean;
}

/** What is known of other programs' names. */
export interface OtherPrograms {
  /** By name. */
  readonly commands: () => Promise<ReadonlyMap<string, CommandDefinition>>;
  readonly settings: () => Promise<SettingCalled>;
}

/** What the commands say of their names, and the plugins of their options. */
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

/** Commander's words, with what was meant where it is a setting, or what another program calls so. */
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

/** The value stands behind `=`, or is what comes next. */
function readOption(option: string, rest: readonly string[]): { name: string; value: string } {
  const [name = '', ...given] = option.replace(/^-+/, '').split('=');
  if (given.length > 0) return { name, value: given.join('=') };
  const next = rest[rest.indexOf(option) + 1];
  return { name, value: next === undefined || next.startsWith('-') ? 'VALUE' : next };
}

/** `train max_iters=3` */
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
