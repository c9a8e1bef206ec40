import { InvalidArgumentError, Option, type Command } from 'commander';
import {
  type CommandDefinition,
  print,
  requestOf,
  withConfigFlags,
  wholeFrom,
  type ConfigFlags,
} from '../../command-line/contract.js';
import { messageOf, UsageError } from '../../../core/errors.js';
import type { TokenReader } from '../../../core/index.js';
import { buildVocabMap, rankTokens, tokensFor, type TokenCounts } from '../shared/vocab-map.js';
import { writeWholeSync } from '../../files/contract.js';

interface CountFlags extends ConfigFlags {
  json?: boolean;
}

interface BuildFlags extends CountFlags {
  size?: number;
  cover?: number;
  out: string;
}

const CHUNK = 1 << 20;

export const command: CommandDefinition = { order: 20, define };

function define(command: Command): void {
  command.description('count tokens in data and shrink its vocabulary');
  withConfigFlags(command.command('count'))
    .description('count how often each token occurs in the training data')
    .argument('[folder]', 'folder of .bin files (default: the data of the config)')
    .option('--json', 'print JSON, including the count of every token')
    .action(async (folder: string | undefined, flags: CountFlags) => {
      const { counted, data } = await count(folder, flags);
      print(flags.json, { data, tokens: counted.total, counts: counted.counts }, () => described(data, counted));
    });
  withConfigFlags(command.command('build'))
    .description('write a vocabulary mapping for `plugins.vocab-remap.file`')
    .argument('[folder]', 'folder of .bin files (default: the data of the config)')
    .option('--size <tokens>', 'size of the shrunken vocabulary, including the rare token', wholeFrom(2))
    .addOption(
      new Option('--cover <share>', 'keep enough tokens to cover this share of the data, e.g. 0.99')
        .argParser(share)
        .conflicts('size'),
    )
    .requiredOption('-o, --out <file>', 'file to write')
    .option('--json', 'print JSON')
    .action(async (folder: string | undefined, flags: BuildFlags) => {
      if (flags.size === undefined && flags.cover === undefined)
        throw new UsageError('ESP_USAGE', 'vocab build needs --size TOKENS or --cover SHARE, e.g. --cover 0.99');
      const { counted, data, id } = await count(folder, flags);
      const size = flags.size ?? Math.max(2, tokensFor(counted, flags.cover ?? 1) + 1);
      if (size > counted.counts.length) {
        const most = String(counted.counts.length);
        throw new UsageError(
          'ESP_USAGE',
          `--size ${String(size)} is larger than the vocabulary of the data, ${most}: give a smaller number`,
        );
      }
      const { tokens, ...facts } = buildVocabMap(counted, size, { data, tokens: counted.total, id });
      write(flags.out, { ...facts, tokens });
      print(flags.json, facts, () =>
        [
          described(data, counted),
          `${flags.out}: ${String(size)} tokens, which cover ${percent(facts.covered, 2)}; the others are token ${String(facts.rare_id)}`,
          `train with it: --set plugins.vocab-remap.file=${flags.out}`,
        ].join('\n'),
      );
    });
}

async function count(
  folder: string | undefined,
  flags: ConfigFlags,
): Promise<{ counted: TokenCounts; data: string; id: string }> {
  const { Dataset } = await import('../../../core/index.js');
  const { makeRun } = await import('../../../core/runs.js');
  const request = requestOf(flags);
  const given = folder === undefined ? [] : [`data=${JSON.stringify({ dir: folder })}`];
  // With a mapping in use, its ids would be counted instead of the data's.
  const set = [...(request.set ?? []), ...given, 'plugins.vocab-remap=false'];
  const { run } = await makeRun({ ...request, set, only: ['tokenizer', 'data', 'model'] });
  try {
    await run.bus.dispatch('run:setup', { runDir: run.folder.path });
    const dataset = run.container.resolve(Dataset);
    const reader = dataset.split('train');
    const data = [...new Set(reader.parts.map(({ corpus }) => corpus))].join(', ');
    return { counted: rankTokens(countTokens(reader, dataset.vocabSize)), data, id: reader.id };
  } finally {
    await run.dispose();
  }
}

function countTokens(reader: TokenReader, vocabSize: number): number[] {
  const counts = new Array<number>(vocabSize).fill(0);
  const tokens = new Int32Array(Math.min(CHUNK, reader.length));
  for (let at = 0; at < reader.length; at += CHUNK) {
    const length = Math.min(CHUNK, reader.length - at);
    reader.read(at, length, tokens, 0);
    for (let i = 0; i < length; i++) {
      const id = tokens[i] ?? 0;
      counts[id] = (counts[id] ?? 0) + 1;
    }
  }
  return counts;
}

function described(data: string, counted: TokenCounts): string {
  const number = (value: number): string => value.toLocaleString('en-US');
  return [
    `${data}: ${number(counted.total)} training tokens, of which ${number(counted.ranked.length)} of the vocabulary's ${number(counted.counts.length)} occur`,
    ...[0.9, 0.99].map((part) => `  ${percent(part, 0)} are covered by ${number(tokensFor(counted, part))} tokens`),
  ].join('\n');
}

function percent(part: number, digits: number): string {
  return `${(100 * part).toFixed(digits)} %`;
}

function write(file: string, map: object): void {
  try {
    writeWholeSync(file, `${JSON.stringify(map)}\n`);
  } catch (thrown) {
    throw new UsageError(
      'ESP_VOCAB_OUT',
      `${file} cannot be written: ${messageOf(thrown)}; choose another with --out`,
      {
        cause: thrown,
      },
    );
  }
}

function share(given: string): number {
  const value = Number(given);
  if (given.trim() === '' || !(value > 0 && value <= 1)) throw new InvalidArgumentError('give a share from 0 to 1.');
  return value;
}
