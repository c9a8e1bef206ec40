import { InvalidArgumentError, Option, type Command } from 'commander';
import { type CommandDefinition, Terminal, wholeFrom } from '../../command-line/contract.js';
import { messageOf, UsageError } from '../../../core/errors.js';
import { newestRun, runArgument, withStoredFlags, type StoredFlags } from '../../runs/contract.js';

interface SampleFlags extends StoredFlags {
  prompt?: string;
  promptFile?: string;
  tokens: number;
  count: number;
  temperature: number;
  topK: number;
  seed: number;
  engine?: string;
  precision?: string;
  json?: boolean;
}

const PRECISIONS = ['auto', 'f32', 'bf16'];

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
  },
};

function define(command: Command): void {
  command.description('generate text with a trained model').addArgument(runArgument());
  withStoredFlags(command)
    .option('--prompt <text>', 'text to continue (default: a line break)', text)
    .addOption(new Option('--prompt-file <file>', 'text file to continue, as it is').conflicts('prompt'))
    .option('-n, --tokens <count>', 'tokens to generate', wholeFrom(0), 500)
    .option('--count <count>', 'number of samples', wholeFrom(1), 1)
    .option('--temperature <number>', 'divides the logits; 0 always takes the most likely token', number, 0.8)
    .option('--top-k <count>', 'sample from the k most likely tokens; 0: from all', wholeFrom(0), 200)
    .option('--seed <number>', 'random seed', wholeFrom(0), 1337)
    .option('--engine <name>', 'engine to use instead of the run’s')
    .addOption(
      new Option('--precision <format>', 'of the operands of matrix products, instead of the run’s').choices(
        PRECISIONS,
      ),
    )
    .option('--json', 'print the samples as JSON')
    .action(async (from: string | undefined, flags: SampleFlags) => {
      const choices = flags.promptFile === undefined ? flags : { ...flags, prompt: await promptOf(flags.promptFile) };
      const { engine, precision } = flags;
      const set = Object.entries({ engine, precision }).flatMap(([key, value]) =>
        value === undefined ? [] : [`${key}=${value}`],
      );
      const terminal = new Terminal({ quiet: true });
      const { best, weights } = flags;
      const request = { cwd: process.cwd(), set, terminal, best, weights };
      const { storedSamples } = await import('../text/samples.js');
      const samples = await storedSamples(from ?? newestRun(process.cwd(), console.error), request, choices);
      console.log(flags.json === true ? JSON.stringify(samples) : samples.join('\n---------------\n'));
    });
}

function text(given: string): string {
  if (given === '') throw new InvalidArgumentError('give at least one character.');
  const [, file] = /^FILE:(.+)$/.exec(given) ?? [];
  if (file !== undefined) throw new InvalidArgumentError(`a text in a file is given with --prompt-file ${file}.`);
  return given;
}

/** @throws UsageError when there is no text in the file */
async function promptOf(file: string): Promise<string> {
  const { readTextFile } = await import('../../files/contract.js');
  const fail = (why: string): UsageError =>
    new UsageError('ESP_USAGE', `--prompt-file ${file} ${why}; name a text file, or give the text with --prompt`);
  let text: string;
  try {
    text = readTextFile(file);
  } catch (thrown) {
    throw fail(`cannot be read: ${messageOf(thrown)}`);
  }
  if (text === '') throw fail('is empty');
  return text;
}

function number(given: string): number {
  const value = Number(given);
  if (given.trim() === '' || !(value >= 0)) throw new InvalidArgumentError('give a number from 0.');
  return value;
}
