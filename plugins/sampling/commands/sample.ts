import { InvalidArgumentError, Option, type Command } from 'commander';
import {
  type CommandDefinition,
  messageOf,
  UsageError,
  Terminal,
  newestRun,
  runArgument,
  wholeFrom,
  withStoredFlags,
  type StoredFlags,
} from '../../../core/command.js';
import { Dataset, TokenizerFactory, Tokenizers, type Tokenizer, RandomStreams } from '../../../core/index.js';
import { readTextFile } from '../../../core/files/index.js';
import { type Run, openStoredRun } from '../../../core/runs.js';
import { writeText } from '../text/write-text.js';

interface SampleFlags extends StoredFlags {
  prompt?: string;
  promptFile?: string;
  tokens: number;
  count: number;
  temperature: number;
  topK: number;
  seed: number;
  engine?: string;
  json?: boolean;
}

export const command: CommandDefinition = { order: 50, define };

function define(command: Command): void {
  command.description('let a trained model write').addArgument(runArgument());
  withStoredFlags(command)
    .option('--prompt <text>', 'text to go on from (default: a line break)', text)
    .addOption(new Option('--prompt-file <file>', 'text file to go on from, as it is').conflicts('prompt'))
    .option('-n, --tokens <count>', 'tokens to write', wholeFrom(0), 500)
    .option('--count <count>', 'how many samples', wholeFrom(1), 1)
    .option('--temperature <number>', 'below 1: more sure of itself; 0: always the likeliest token', number, 0.8)
    .option('--top-k <count>', 'choose among the k likeliest tokens; 0: among all', wholeFrom(0), 200)
    .option('--seed <number>', 'seed of the choices', wholeFrom(0), 1337)
    .option('--engine <name>', 'engine to use instead of the run’s')
    .option('--json', 'print the samples as JSON')
    .action(async (from: string | undefined, flags: SampleFlags) => {
      const choices = flags.promptFile === undefined ? flags : { ...flags, prompt: promptOf(flags.promptFile) };
      const set = flags.engine === undefined ? [] : [`engine=${flags.engine}`];
      const terminal = new Terminal({ quiet: true });
      const { best, weights } = flags;
      const request = { cwd: process.cwd(), set, terminal, best, weights };
      const slots = ['engine', 'tokenizer', 'model'] as const;
      const { run, checkpoint } = await openStoredRun(from ?? newestRun(process.cwd()), slots, request);
      try {
        if (checkpoint.state.tokenizer === null) {
          throw new UsageError(
            'ESP_NO_TOKENIZER',
            `${checkpoint.path} was trained on tokens without a tokenizer: there is no text to write`,
          );
        }
        const tokenizer = await run.container
          .resolve(Tokenizers)
          .fromState(checkpoint.state.tokenizer, run.container.resolve(TokenizerFactory));
        const samples: string[] = [];
        for (let index = 0; index < flags.count; index++) samples.push(await generate(run, tokenizer, choices, index));
        console.log(flags.json === true ? JSON.stringify(samples) : samples.join('\n---------------\n'));
      } finally {
        await run.dispose();
      }
    });
}

/** Text that the run's model writes now, with the data's tokenizer; empty where the data has none. */
export async function sampleFrom(run: Run, { tokens }: { tokens: number }): Promise<string> {
  const { tokenizer } = run.container.resolve(Dataset);
  if (tokenizer === undefined) return '';
  return generate(run, tokenizer, { tokens, temperature: 0.8, topK: 200, seed: run.config.seed }, 0);
}

type Choices = Pick<SampleFlags, 'prompt' | 'tokens' | 'temperature' | 'topK' | 'seed'>;

async function generate(run: Run, tokenizer: Tokenizer, choices: Choices, index: number): Promise<string> {
  const stream = new RandomStreams(choices.seed).at('sample', index);
  const { prompt, tokens, temperature, topK } = choices;
  const options = { prompt, tokens, temperature, topK, random: () => stream.float() };
  const written = await writeText(run.model, tokenizer, options);
  return written.prompt + written.text;
}

function text(given: string): string {
  if (given === '') throw new InvalidArgumentError('give at least one character.');
  const [, file] = /^FILE:(.+)$/.exec(given) ?? [];
  if (file !== undefined) throw new InvalidArgumentError(`a text in a file is given with --prompt-file ${file}.`);
  return given;
}

/** @throws UsageError when there is no text in the file */
function promptOf(file: string): string {
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
