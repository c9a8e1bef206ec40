#!/usr/bin/env node
import './first.js';
import type { Command as Program } from 'commander';
import type { CommandHooks, SetExitCode } from './definition.js';
import { expandHome } from './path-arguments.js';

// Everything else is imported dynamically: static imports would all load before first.js handles signals.
const { inspect } = await import('node:util');
const { Command, CommanderError } = await import('commander');
const { EspalierError, FailedRun, messageOf, PluginError, UsageError, usageErrorIn } =
  await import('../../../core/errors.js');
const { version } = await import('../../../core/installation.js');
const { addOptions, findCommands, loadCommand } = await import('./discover.js');

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

process.exitCode = await main(process.argv);

/** Runs a command. @returns the exit code: 0 done, 1 failed, 2 wrong usage or config, 128 + N stopped by signal N */
async function main(argv: readonly string[]): Promise<number> {
  // A run must continue if the reader of its pipe has exited.
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
    // `launch` passes on the options after `train`.
    .enablePositionalOptions()
    .exitOverride()
    .hook('preAction', expandHome)
    .showHelpAfterError('(--help shows the options)')
    .showSuggestionAfterError()
    .configureOutput({
      // Held back until the hint is known.
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
    // For a user's mistake, report its own message: which plugin found it does not help.
    const mistake = usageErrorIn(thrown);
    report(mistake ?? (thrown instanceof FailedRun ? thrown.cause : thrown));
    if (thrown instanceof FailedRun) console.error(thrown.advice);
    return mistake === undefined ? EXIT_FAILED : EXIT_USAGE;
  }
}

/**
 * Adds the named command with the options of families, or all commands if none is named. Loading files takes most of a
 * short command's time, so only the named command's file is loaded.
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
    const message = `the working folder does not exist (${messageOf(thrown)}): cd into one that does`;
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

/** Returns the error if it is a bug in espalier or a plugin, whose stack is worth showing. */
function faultIn(thrown: unknown): Error | undefined {
  if (thrown instanceof PluginError) return faultIn(thrown.cause);
  const isFault = thrown instanceof Error && !(thrown instanceof EspalierError) && !('code' in thrown);
  return isFault ? thrown : undefined;
}
