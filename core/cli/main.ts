#!/usr/bin/env node
import { inspect } from 'node:util';
import { Command, CommanderError } from 'commander';
import { EspalierError, messageOf, PluginError, usageErrorIn } from '../errors.js';
import { version } from '../version.js';
import { doctorCommand, engineCommand } from './engines.js';
import { checkpointCommand } from './checkpoint.js';
import { dashboardCommand } from './dashboard.js';
import { evaluateCommand } from './evaluate.js';
import { eventsCommand, explainCommand, metricsCommand, pluginsCommand, presetsCommand } from './lists.js';
import { launchCommand } from './launch.js';
import { migrateCommand } from './migrate.js';
import { parityCommand } from './parity.js';
import { prepareCommand } from './prepare.js';
import { reportCommand } from './report.js';
import { sampleCommand } from './sample.js';
import { scheduleCommand } from './schedule.js';
import { trainCommand } from './train.js';
import { verifyResumeCommand } from './verify-resume.js';
import { vocabCommand } from './vocab.js';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

process.exitCode = await main(process.argv);

/** Runs one command and returns its exit code: 0 done, 1 failed, 2 wrong usage or config, 130/143 stopped by a signal. */
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
    .showHelpAfterError('(--help shows the options)')
    .showSuggestionAfterError();
  for (const add of [
    prepareCommand,
    vocabCommand,
    trainCommand,
    launchCommand,
    sampleCommand,
    scheduleCommand,
    evaluateCommand,
    dashboardCommand,
    reportCommand,
    checkpointCommand,
    verifyResumeCommand,
    explainCommand,
    pluginsCommand,
    presetsCommand,
    eventsCommand,
    metricsCommand,
    doctorCommand,
    engineCommand,
    parityCommand,
    migrateCommand,
  ]) {
    add(program, setExitCode);
  }
  try {
    await program.parseAsync([...argv]);
    return exitCode;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : EXIT_USAGE;
    // What the user can mend is said in its own words: which plugin found it is no help.
    const mistake = usageErrorIn(thrown);
    report(mistake ?? thrown);
    return mistake === undefined ? EXIT_FAILED : EXIT_USAGE;
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
