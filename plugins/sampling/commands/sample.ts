import { InvalidArgumentError, Option, type Command } from 'commander';
import { type CommandDefinition, wholeFrom } from '../../command-line/contract.js';
import { messageOf, UsageError } from '../../../core/errors.js';
import { newestRun, runArgument, withStoredFlags, type StoredFlags } from '../../runs/contract.js';
import {
  samplingAka,
  storedRequest,
  textOption,
  withEngineFlags,
  withSamplingFlags,
  type EngineFlags,
  type SamplingFlags,
} from '../choices/flags.js';

interface SampleFlags extends StoredFlags, EngineFlags, SamplingFlags {
  prompt?: string;
  promptFile?: string;
  tokens: number;
  count: number;
  json?: boolean;
}

export const command: CommandDefinition = {
  order: 50,
  define,
  aka: { generate: 'sample' },
  optionsAka: {
    max_length: '--tokens',
    max_new_tokens: '--tokens',
    num_samples: '--count',
    n_samples: '--count',
    start: '--prompt',
    ...samplingAka,
  },
};

function define(command: Command): void {
  command.description('generate text with a trained model').addArgument(runArgument());
  withStoredFlags(command)
    .option('--prompt <text>', 'text to continue (default: a line break)', text)
    .addOption(new Option('--prompt-file <file>', 'text file to continue, read verbatim').conflicts('prompt'))
    .option('-n, --tokens <count>', 'tokens to generate', wholeFrom(0), 500)
    .option('--count <count>', 'number of samples', wholeFrom(1), 1);
  withEngineFlags(withSamplingFlags(command))
    .option('--json', 'print the samples as JSON')
    .action(async (from: string | undefined, flags: SampleFlags) => {
      const choices = flags.promptFile === undefined ? flags : { ...flags, prompt: await promptOf(flags.promptFile) };
      const request = storedRequest(flags);
      const { storedSamples } = await import('../text/samples.js');
      const samples = await storedSamples(from ?? newestRun(process.cwd(), console.error), request, choices);
      console.log(flags.json === true ? JSON.stringify(samples) : samples.join('\n---------------\n'));
    });
}

function text(given: string): string {
  textOption(given);
  const [, file] = /^FILE:(.+)$/.exec(given) ?? [];
  if (file !== undefined) throw new InvalidArgumentError(`pass a text file with --prompt-file ${file}.`);
  return given;
}

/** @throws UsageError if the file has no text */
async function promptOf(file: string): Promise<string> {
  const { readTextFile } = await import('../../files/contract.js');
  const fail = (why: string): UsageError =>
    new UsageError('ESP_USAGE', `--prompt-file ${file} ${why}; give a text file, or give the text with --prompt`);
  let text: string;
  try {
    text = readTextFile(file);
  } catch (thrown) {
    throw fail(`cannot be read: ${messageOf(thrown)}`);
  }
  if (text === '') throw fail('is empty');
  return text;
}
