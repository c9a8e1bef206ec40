import { Command } from 'commander';
import { builtInFamilies } from '../../core/families/family.js';
import { addOptions, findCommands, loadCommand } from '../../plugins/command-line/shell/discover.js';
import { codeBlocks, type Page } from './pages.js';

/** A call of `espalier` in a page: what follows the name, and where it is. */
export interface Call {
  readonly args: readonly string[];
  readonly place: string;
}

/** The calls of `espalier` in the shell blocks of a page that are not excerpts. */
export function callsIn(page: Page): Call[] {
  return codeBlocks(page)
    .filter(({ language, info }) => ['sh', 'console'].includes(language) && info !== 'excerpt')
    .flatMap(({ code, line }) =>
      code
        .replaceAll(/\\\n/g, '  ')
        .split('\n')
        .flatMap((text, index) => {
          const words = shellWords(text);
          const at = words.findIndex((word) => word === 'espalier');
          const isCall = at >= 0 && ['install', 'link'].every((word) => !words.slice(0, at).includes(word));
          return isCall ? [{ args: words.slice(at + 1), place: `${page.file}:${String(line + 1 + index)}` }] : [];
        }),
    );
}

/** What a call asks of the config of a run. */
export interface Asked {
  readonly preset: readonly string[];
  readonly set: readonly string[];
  readonly config: string | undefined;
}

/**
 * Parses a call as the command does, without running it.
 * @returns what it asks of a config; undefined for a command that has none
 * @throws CommanderError for a command, an argument or an option that does not exist
 */
export async function parseCall({ args: [name = '', ...args] }: Call): Promise<Asked | undefined> {
  const families = builtInFamilies();
  const found = findCommands(families).get(name);
  if (found === undefined) throw new Error(`there is no command ${name}`);
  const program = quiet(new Command('espalier').enablePositionalOptions());
  const command = quiet(program.command(name));
  (await loadCommand(found)).define(command, () => undefined, []);
  await addOptions(command, families);
  let asked: Asked | undefined;
  const stop = (each: Command): void => {
    quiet(each);
    if (each.commands.length === 0) {
      each.action(() => {
        asked = askedOf(each);
      });
    }
    each.commands.forEach(stop);
  };
  stop(command);
  await program.parseAsync(['node', 'espalier', name, ...args]);
  if (name === 'launch') return parseCall({ args: command.args, place: '' });
  return asked;
}

function askedOf(command: Command): Asked | undefined {
  const { preset, set, config } = command.opts<{ preset?: string[]; set?: string[]; config?: string }>();
  return preset === undefined || set === undefined ? undefined : { preset, set, config };
}

function quiet(command: Command): Command {
  return command.exitOverride().configureOutput({ writeErr: () => undefined });
}

/** The words of a line of shell: quotes taken off, up to a comment, a redirection or the end of the command. */
function shellWords(line: string): string[] {
  const words = [...line.matchAll(/(?:'[^']*'|"(?:[^"\\]|\\.)*"|[^\s'"])+/g)].map(([word]) => word);
  const end = words.findIndex((word) => /^(?:#|[<>|&]|2>)/.test(word));
  return (end < 0 ? words : words.slice(0, end)).map((word) =>
    word.replaceAll(/'([^']*)'|"((?:[^"\\]|\\.)*)"/g, (_, single?: string, double?: string) => single ?? double ?? ''),
  );
}
