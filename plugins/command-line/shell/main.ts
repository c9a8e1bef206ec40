#!/usr/bin/env node
import './first.js';
import type { Command as Program } from 'commander';
import type { CommandHooks, SetExitCode } from './definition.js';
import { expandHome } from './path-arguments.js';

// Nothing else is imported above: a module graph is read as a whole before its first module runs, signals unhandled.
const { inspect } = await import('node:util');
const { Command, CommanderError } = await import('commander');
const { EspalierError, FailedRun, messageOf, PluginError, UsageError, usageErrorIn } =
  await import('../../../core/errors.js');
const { version } = await import('../../../core/installation.js');
const { addOptions, findCommands, loadCommand } = await import('./discover.js');

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

process.exitCode = await main(process.argv);

/** Runs one command and returns its exit code: 0 done, 1 failed, 2 wrong usage or config, 128 + its number stopped by a signal. */
async function main(argv: readonly string[]): Promise<number> {
  // A pipe whose reader went away must not end a run.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  let exitCode = 0;
  const setExitCode = (code: number): void => {
    exitCode = code;
  };
  let refused: string | undefined;
  let advice = '';
  const program = new Command('espalier')
    .description('Trains GPT-style language models; everything is a plugin, presets compose them.')
    .version(version)
    // `launch` hands the flags behind `train` on.
    .enablePositionalOptions()
    .exitOverride()
    .hook('preAction', expandHome)
    .showHelpAfterError('(--help shows the options)')
    .showSuggestionAfterError()
    .configureOutput({
      // Written when it is known what was meant.
      outputError: (message) => {
        refused = message;
      },
      writeErr: (text) => {
        if (refused === undefined) process.stderr.write(text);
        else advice += text;
      },
    });
  try {
    checkWorkingFolder();
    await addCommands(program, argv[2], setExitCode);
    await program.parseAsync([...argv]);
    return exitCode;
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      if (refused !== undefined) process.stderr.write(`${await hinted(program, refused, argv.slice(2))}${advice}`);
      return thrown.exitCode === 0 ? 0 : EXIT_USAGE;
    }
    // A mistake of the user is reported in its own words: which plugin found it does not help.
    const mistake = usageErrorIn(thrown);
    report(mistake ?? (thrown instanceof FailedRun ? thrown.cause : thrown));
    if (thrown instanceof FailedRun) console.error(thrown.advice);
    return mistake === undefined ? EXIT_FAILED : EXIT_USAGE;
  }
}

/**
 * Adds the command that is named, with the options of families; all commands if none is.
 * Loading files is most of a short command's time: each loads its own alone.
 */
async function addCommands(program: Program, named: string | undefined, setExitCode: SetExitCode): Promise<void> {
  const found = findCommands();
  const only = named === undefined ? undefined : found.get(named);
  if (only !== undefined) {
    const hooks: CommandHooks[] = [];
    const command = program.command(only.name);
    (await loadCommand(only)).define(command, setExitCode, hooks);
    hooks.push(...(await addOptions(command)));
    return;
  }
  const all = await Promise.all(
    [...found.values()].map(async (each) => ({ name: each.name, ...(await loadCommand(each)) })),
  );
  const place = ({ order = Infinity }: { order?: number }): number => order;
  for (const { name, define } of all.sort((a, b) => place(a) - place(b) || (a.name < b.name ? -1 : 1))) {
    define(program.command(name), setExitCode, []);
  }
}

async function hinted(program: Program, message: string, typed: readonly string[]): Promise<string> {
  const command = program.commands.find((each) => each.name() === typed[0]);
  const hasSet = command?.options.some(({ long }) => long === '--set') ?? false;
  const { otherPrograms, withHint } = await import('./hints.js');
  return withHint({ message, typed, hasSet }, otherPrograms);
}

function checkWorkingFolder(): void {
  try {
    process.cwd();
  } catch (thrown) {
    const message = `the working folder cannot be found (${messageOf(thrown)}): cd into one that exists`;
    throw new UsageError('ESP_USAGE', message, { cause: thrown });
  }
}

function report(thrown: unknown): void {
  const code = thrown instanceof EspalierError ? ` [${thrown.code}]` : '';
  console.error(`espalier: ${messageOf(thrown)}${code}`);
  const fault = faultIn(thrown);
  if (process.env['ESPALIER_DEBUG'] !== undefined) console.error(inspect(thrown));
  else if (fault !== undefined) console.error(fault.stack);
}

/** A fault in code, of espalier or of a plugin: its stack is shown. */
function faultIn(thrown: unknown): Error | undefined {
  if (thrown instanceof PluginError) return faultIn(thrown.cause);
  const isFault = thrown instanceof Error && !(thrown instanceof EspalierError) && !('code' in thrown);
  return isFault ? thrown : undefined;
}
