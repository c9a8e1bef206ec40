import { InvalidArgumentError, Option, type Command } from 'commander';
import type { RunRequest } from '../../../core/runs.js';
import { Terminal, wholeFrom } from '../../command-line/contract.js';
import type { StoredFlags } from '../../runs/contract.js';

type StoredRequest = RunRequest & StoredFlags;

/** Sampling options of `sample` and `chat`. */
export interface SamplingFlags {
  temperature: number;
  topK: number;
  topP: number;
  repetitionPenalty: number;
  stop: string[];
  seed: number;
}

/** Options that replace the run's engine and precision. */
export interface EngineFlags {
  engine?: string;
  precision?: string;
}

const PRECISIONS = ['auto', 'f32', 'bf16'];

/** Other programs' names for these options. */
export const samplingAka: Readonly<Record<string, string>> = {
  stop_sequence: '--stop',
  stop_sequences: '--stop',
  stop_strings: '--stop',
  nucleus: '--top-p',
};

/** Adds `--temperature`, `--top-k`, `--top-p`, `--repetition-penalty`, `--stop` and `--seed`. */
export function withSamplingFlags(command: Command): Command {
  return command
    .option('--temperature <number>', 'sampling temperature; 0 always takes the most likely token', numberFrom0, 0.8)
    .option('--top-k <count>', 'top-k: sample from the k most likely tokens; 0: from all', wholeFrom(0), 200)
    .option(
      '--top-p <share>',
      'top-p: sample from the most likely tokens with this total probability; 1: from all',
      share,
      1,
    )
    .option('--repetition-penalty <number>', 'penalty on tokens already in the text; 1 disables it', positive, 1)
    .addOption(
      new Option('--stop <text>', 'end before this text; repeatable').argParser(collectText).default([], 'none'),
    )
    .option('--seed <number>', 'random seed', wholeFrom(0), 1337);
}

/** Adds `--engine` and `--precision`. */
export function withEngineFlags(command: Command): Command {
  return command
    .option('--engine <name>', 'engine to use instead of the run’s')
    .addOption(
      new Option('--precision <format>', 'precision of matrix products, instead of the run’s').choices(PRECISIONS),
    );
}

/** Converts the flags to a request for a stored run. */
export function storedRequest({ best, weights, engine, precision }: StoredFlags & EngineFlags): StoredRequest {
  const set = Object.entries({ engine, precision }).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${value}`],
  );
  return { cwd: process.cwd(), set, terminal: new Terminal({ quiet: true }), best, weights };
}

/** Reads a text of at least one character. */
export function textOption(given: string): string {
  if (given === '') throw new InvalidArgumentError('give at least one character.');
  return given;
}

function collectText(given: string, previous: readonly string[]): string[] {
  return [...previous, textOption(given)];
}

function numberFrom0(given: string): number {
  return numberWhere(given, (value) => value >= 0, 'a number from 0');
}

function share(given: string): number {
  return numberWhere(given, (value) => value > 0 && value <= 1, 'a number above 0, up to 1');
}

function positive(given: string): number {
  return numberWhere(given, (value) => value > 0 && value < Infinity, 'a number above 0');
}

function numberWhere(given: string, isValid: (value: number) => boolean, what: string): number {
  const value = Number(given);
  if (given.trim() !== '' && isValid(value)) return value;
  throw new InvalidArgumentError(`give ${what}.`);
}
