#!/usr/bin/env node
import './first.js';
import type { Command as Program } from 'commander';
import { expandHome } from './path-arguments.js';
import type { SetExitCode } from './options.js';

// Nothing else is imported above: a module graph is read as a whole before its first module runs, signals unhandled.
const { inspect } = await import('node:util');
const { Command, CommanderError } = await import('commander');
const { EspalierError, FailedRun, messageOf, PluginError, UsageError, usageErrorIn } = await import('../errors.js');
const { version } = await import('../version.js');
const { withHint } = await import('./hints.js');

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** Adds a command to the program. */
type AddCommand = (program: Program, setExitCode: SetExitCode) => void;

/** The commands, in the order of `--help`. Imports are most of a short command's time: each loads its own alone. */
const commands: Readonly<Record<string, () => Promise<AddCommand>>> = {
  prepare: async () => (await import('./prepare.js')).prepareCommand,
  vocab: async () => (await import('./vocab.js')).vocabCommand,
  train: async () => (await import('./train.js')).trainCommand,
  launch: async () => (await import('./launch.js')).launchCommand,
  sample: async () => (await import('./sample.js')).sampleCommand,
  schedule: async () => (await import('./schedule.js')).scheduleCommand,
  evaluate: async () => (await import('./evaluate.js')).evaluateCommand,
  dashboard: async () => (await import('./dashboard.js')).dashboardCommand,
  report: async () => (await import('./report.js')).reportCommand,
  checkpoint: async () => (await import('./checkpoint.js')).checkpointCommand,
  'verify-resume': async () => (await import('./verify-resume.js')).verifyResumeCommand,
  explain: async () => (await import('./lists.js')).explainCommand,
  plugins: async () => (await import('./lists.js')).pluginsCommand,
  presets: async () => (await import('./lists.js')).presetsCommand,
  events: async () => (await import('./lists.js')).eventsCommand,
  metrics: async () => (await import('./lists.js')).metricsCommand,
  doctor: async () => (await import('./engines.js')).doctorCommand,
  engine: async () => (await import('./engines.js')).engineCommand,
  parity: async () => (await import('./parity.js')).parityCommand,
  migrate: async () => (await import('./migrate.js')).migrateCommand,
};

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
      outputError: (message, write) => {
        const command = program.commands.find((each) => each.name() === argv[2]);
        const hasSet = command?.options.some(({ long }) => long === '--set') ?? false;
        write(withHint(message, argv.slice(2), hasSet));
      },
    });
  const named = argv[2];
  const needed = named !== undefined && Object.hasOwn(commands, named) ? [commands[named]] : Object.values(commands);
  try {
    checkWorkingFolder();
    for (const load of needed) (await load?.())?.(program, setExitCode);
    await program.parseAsync([...argv]);
    return exitCode;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : EXIT_USAGE;
    // What the user can mend is said in its own words: which plugin found it is no help.
    const mistake = usageErrorIn(thrown);
    report(mistake ?? (thrown instanceof FailedRun ? thrown.cause : thrown));
    if (thrown instanceof FailedRun) console.error(thrown.advice);
    return mistake === undefined ? EXIT_FAILED : EXIT_USAGE;
  }
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

/** What only a programmer can mend, an author of plugins too: for it the lines of code that it comes from are shown. */
function faultIn(thrown: unknown): Error | undefined {
  if (thrown instanceof PluginError) return faultIn(thrown.cause);
  const isFault = thrown instanceof Error && !(thrown instanceof EspalierError) && !('code' in thrown);
  return isFault ? thrown : undefined;
}
