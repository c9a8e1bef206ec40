import path from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import {
  type CommandDefinition,
  type SetExitCode,
  exitCodeOfSignal,
  onStop,
  version,
  Terminal,
  print,
} from '../../command-line/contract.js';
import { UsageError } from '../../../core/errors.js';
import type { ChatFormat } from '../chat/format.js';
import { formats, type Format } from '../prepare/inputs.js';
import { partFolder, type Part } from '../shared/part.js';
import type { PreparedData } from '../shared/meta.js';
import type { PrepareRequest } from '../prepare/prepare.js';
import type { TokenizerChoice } from '../../../core/runs.js';

interface PrepareFlags {
  out: string;
  tokenizer: string;
  endOfText?: string;
  field?: string;
  chat?: boolean;
  chatTemplate?: string;
  format?: Format;
  val: string[];
  valShare?: number;
  shardTokens: number;
  workers?: number;
  part?: Part;
  force?: boolean;
  json?: boolean;
  quiet?: boolean;
}

const DEFAULT_FIELD = 'text';
const DEFAULT_VAL_SHARE = 0.1;
const CHAT_TEMPLATES = 'chatml, tokenizer (its own), or a file';

export const command: CommandDefinition = { order: 10, define };

function define(command: Command, setExitCode: SetExitCode): void {
  command
    .description('tokenize text into shards for training (data.dir)')
    .argument('<input...>', 'files, patterns such as "data/*.jsonl.gz", or - for standard input')
    .requiredOption('-o, --out <folder>', 'folder for the shards and meta.json')
    .requiredOption('-t, --tokenizer <name|file>', 'char, bytes, gpt2, or a Hugging Face tokenizer.json')
    .option('--end-of-text <token>', 'tokenizer.json token between texts (default: as its configs say)')
    .option('--field <name>', `field of JSONL records, or column of Parquet files (default: ${DEFAULT_FIELD})`)
    .addOption(
      new Option('--chat', 'read JSONL of conversations ("messages") and learn only the answers').conflicts('field'),
    )
    .option('--chat-template <name>', `template for conversations: ${CHAT_TEMPLATES} (default: chatml)`)
    .addOption(new Option('--format <name>', 'format of the inputs (default: by file name)').choices(formats))
    .option('--val <file|pattern>', 'validation file; repeatable; all other inputs are training data', collect, [])
    .option(
      '--val-share <share>',
      `share for validation: end of texts, every n-th record (default: ${String(DEFAULT_VAL_SHARE)})`,
      share,
    )
    .option('--shard-tokens <count>', 'tokens in a shard', positive, 100_000_000)
    .option('--workers <count>', 'encoding threads (default: one per core)', positive)
    .option('--part <i/n>', 'prepare only part i of n of the files, e.g. on several machines', part)
    .option('--force', 'replace existing data in the folder')
    .option('--json', 'print the result as JSON')
    .option('-q, --quiet', 'print only errors')
    .action(async (inputs: string[], flags: PrepareFlags) => {
      setExitCode(await run(inputs, flags));
    });
}

async function run(inputs: readonly string[], flags: PrepareFlags): Promise<number> {
  if (flags.val.length > 0 && flags.valShare !== undefined) {
    throw new UsageError('ESP_PREPARE_SPLIT', 'give either --val or --val-share, not both');
  }
  const stop = new AbortController();
  let exitCode = 0;
  const stopListening = onStop((signal) => {
    exitCode = exitCodeOfSignal(signal);
    stop.abort(new Error(signal));
    // Preparing may be waiting for more input.
    process.stdin.destroy();
  });
  const terminal = new Terminal({ quiet: flags.quiet ?? false });
  try {
    const { prepare } = await import('../prepare/prepare.js');
    const data = await prepare(requestOf(inputs, { ...flags, chat: await chatOf(flags) }, terminal, stop.signal));
    if (flags.json === true || flags.quiet !== true) print(flags.json, data, () => summary(data, flags));
    return 0;
  } catch (thrown) {
    if (!stop.signal.aborted) throw namingTokenizer(thrown, flags);
    terminal.line('stopped: nothing was written', 'warn');
    return exitCode;
  } finally {
    stopListening();
  }
}

const PLUGIN_CODES = ['ESP_PLUGIN_NOT_FOUND', 'ESP_PLUGIN_LOAD', 'ESP_PLUGIN_EXPORT', 'ESP_PLUGIN_SLOT'];

/** Adds `--tokenizer` to errors about plugins: the tokenizer is the only plugin loaded here. */
function namingTokenizer(thrown: unknown, { tokenizer, endOfText }: PrepareFlags): unknown {
  if (thrown instanceof UsageError && thrown.code === 'ESP_TOKENIZER_OPTIONS' && endOfText !== undefined) {
    const what = 'does not take one: its end-of-text token is fixed, or it has none';
    return new UsageError(thrown.code, `--end-of-text ${endOfText}: the tokenizer ${tokenizer} ${what}`);
  }
  if (!(thrown instanceof UsageError) || !PLUGIN_CODES.includes(thrown.code)) return thrown;
  return new UsageError(thrown.code, `--tokenizer ${tokenizer}: ${thrown.message}`, { cause: thrown });
}

/** Returns the chat format; undefined if the inputs are not conversations. */
async function chatOf({ chat, chatTemplate, tokenizer }: PrepareFlags): Promise<ChatFormat | undefined> {
  if (chat !== true) {
    if (chatTemplate === undefined) return undefined;
    throw new UsageError('ESP_USAGE', '--chat-template needs --chat: add it, or remove --chat-template');
  }
  const { findChatFormat } = await import('../chat/find.js');
  const { resolveFrom } = await import('../../../core/paths.js');
  const named = chatTemplate ?? 'chatml';
  const file = tokenizer.endsWith('.json') ? resolveFrom(process.cwd(), tokenizer) : undefined;
  return findChatFormat(named, resolveFrom(process.cwd(), named), file);
}

function requestOf(
  inputs: readonly string[],
  flags: Omit<PrepareFlags, 'chat'> & { readonly chat: ChatFormat | undefined },
  terminal: Terminal,
  signal: AbortSignal,
): PrepareRequest {
  return {
    cwd: process.cwd(),
    inputs,
    val: flags.val,
    format: flags.format,
    fallback: flags.field === undefined && flags.chat === undefined ? 'text' : 'jsonl',
    out: flags.out,
    tokenizer: tokenizerChoice(flags),
    field: flags.field ?? DEFAULT_FIELD,
    chat: flags.chat,
    valShare: flags.valShare ?? DEFAULT_VAL_SHARE,
    shardTokens: flags.shardTokens,
    workers: flags.workers,
    part: flags.part,
    replace: flags.force ?? false,
    terminal,
    signal,
    madeBy: `espalier ${version}`,
  };
}

/** Chooses the tokenizer; a .json file selects the Hugging Face tokenizer. */
function tokenizerChoice({ tokenizer, endOfText }: Pick<PrepareFlags, 'tokenizer' | 'endOfText'>): TokenizerChoice {
  const options = endOfText === undefined ? {} : { end_of_text: endOfText };
  return tokenizer.endsWith('.json')
    ? { use: 'hf', options: { file: tokenizer, ...options } }
    : { use: tokenizer, options };
}

function summary(data: PreparedData, { out, part }: PrepareFlags): string {
  const split = (name: 'train' | 'val'): string => {
    const shards = data.shards[name].length;
    const tokens = data.tokens[name].toLocaleString('en-US');
    const documents = data.documents[name].toLocaleString('en-US');
    const learned = data.learned === undefined ? '' : ` (${data.learned[name].toLocaleString('en-US')} learned)`;
    const what = `${data.chat === undefined ? 'text' : 'conversation'}${documents === '1' ? '' : 's'}`;
    return `  ${name.padEnd(5)}  ${tokens} tokens${learned} of ${documents} ${what}, in ${String(shards)} ${shards === 1 ? 'shard' : 'shards'}`;
  };
  return [
    `${part === undefined ? out : path.join(out, partFolder(part))}: tokenizer ${data.tokenizer.tokenizer}, vocabulary of ${data.vocab_size.toLocaleString('en-US')}, ${data.dtype}`,
    split('train'),
    split('val'),
    ...emptyNote(data.documents.empty),
    `${part === undefined ? 'train on it' : `when all ${String(part.count)} parts are prepared`}: espalier train --preset NAME --set data.dir=${out}`,
  ].join('\n');
}

function emptyNote(empty: number): string[] {
  if (empty === 0) return [];
  const counted = `${empty.toLocaleString('en-US')} empty ${empty === 1 ? 'text' : 'texts'}`;
  return [`  ${counted} dropped, without an end-of-text token`];
}

function share(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < 1)) throw new InvalidArgumentError('give a number between 0 and 1.');
  return value;
}

function part(text: string): Part {
  const [, number, count] = /^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? [];
  const [i, n] = [Number(number), Number(count)];
  if (!(i >= 1 && i <= n)) throw new InvalidArgumentError('give i/n, i from 1 to n: 2/4 is the second of four parts.');
  return { number: i, count: n };
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('give a whole number from 1.');
  return value;
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}
