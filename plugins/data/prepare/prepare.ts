import { availableParallelism } from 'node:os';
import path from 'node:path';
import {
  type Tokenizer,
  type TokenizerFactory,
  type TokenizerState,
  UsageError,
  type Terminal,
} from '../../../core/index.js';
import { resolveFrom } from '../../../core/paths.js';
import { TokenizersByName, type TokenizerChoice } from '../../../core/runs.js';
import type { ChatFormat } from '../chat/format.js';
import { dtypeFor, type PreparedData } from '../shared/meta.js';
import { PIECE_BYTES } from './bytes.js';
import { checkChat } from './check-chat.js';
import { failed } from './failure.js';
import { findInputs, type Input, type InputChoice } from './inputs.js';
import { jobsOf, type Job, type JobOptions } from './jobs.js';
import { keepInput, valStartsOf } from './measure.js';
import { OutputFolder } from './output.js';
import { rowSlices } from './parquet.js';
import { BackgroundPool, WorkerPool, type Pool } from './pool.js';
import { inputsOfPart, partFolder, partName, type Part } from '../shared/part.js';
import { PrepareProgress } from './progress.js';
import { Splits, type Written } from './splits.js';
import type { Answer } from './answer.js';

export interface PrepareRequest extends InputChoice {
  readonly cwd: string;
  readonly out: string;
  readonly tokenizer: TokenizerChoice;
  /** Field of JSONL records, or column of Parquet files. */
  readonly field: string;
  /** How to write conversations as text, if the records are conversations. */
  readonly chat: ChatFormat | undefined;
  readonly valShare: number;
  readonly shardTokens: number;
  /** Worker threads; undefined: one per core. */
  readonly workers: number | undefined;
  /** Part of the inputs to prepare, into a subfolder of `out`; undefined: all. */
  readonly part: Part | undefined;
  /** Whether to replace existing data in the folder. */
  readonly replace: boolean;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
  /** Name and version of this package, for `meta.json`. */
  readonly madeBy: string;
}

/** Piece size for tokenizers with threads of their own, which take hundreds of bytes of memory per byte of text. */
const BACKGROUND_PIECE_BYTES = 1 << 16;

/**
 * Streams text into token shards and `meta.json`. If it fails, the disk is left unchanged.
 * @throws UsageError naming what is wrong with the input, and where
 * @throws the signal's reason when it is aborted
 */
export async function prepare(request: PrepareRequest): Promise<PreparedData> {
  const found = await findInputs(request, request.cwd);
  const factory = await new TokenizersByName(request.cwd).factory(request.tokenizer);
  const ready = factory.combine === undefined ? await factory.forText('') : undefined;
  const { part } = request;
  const { inputs: own, continues } = inputsOfPart(found, part);
  if (request.chat !== undefined) await checkChat(request.chat, found, ready);
  for (const input of own) if (input.format === 'parquet') await rowSlices(input, request.field);
  const outputIn = (folder: string): OutputFolder => new OutputFolder(resolveFrom(request.cwd, folder), folder);
  outputIn(request.out).refuseMixed(part);
  const output = outputIn(part === undefined ? request.out : path.join(request.out, partFolder(part)));
  try {
    await output.open(request.replace, (line) => {
      request.terminal.line(line, 'warn');
    });
    const inputs: Input[] = [];
    for (const [number, input] of own.entries()) {
      const twice = ready === undefined || (input.format === 'text' && input.split === undefined);
      const isKept = input.once === true && twice;
      inputs.push(isKept ? await keepInput(input, number, output.path, request.signal) : input);
    }
    const progress = new PrepareProgress(request.terminal);
    const warned = new Set<Input>();
    const options: JobOptions = {
      field: request.field,
      chat: request.chat,
      // Learning gives the same result wherever a text is cut.
      canCut: ready === undefined ? () => true : ready.canCut,
      pieceBytes: ready?.background === true ? BACKGROUND_PIECE_BYTES : PIECE_BYTES,
      valStarts: await valStartsOf(inputs, request.valShare, request.signal),
      onRead: (bytes) => {
        progress.read(bytes);
      },
      onRecord: (input) => {
        // Warn only once: a text may be read twice.
        if (request.format === undefined && warned.size !== warned.add(input).size) {
          const advice = `--format jsonl reads the field ${request.field} of each record; --format text silences this warning`;
          request.terminal.line(`${input.name} is read as text, but looks like JSONL: ${advice}`, 'warn');
        }
      },
    };
    const workers = request.workers ?? availableParallelism();
    const setup = { cwd: request.cwd, choice: request.tokenizer };
    const pool = ready?.background === true ? new BackgroundPool(workers, ready) : new WorkerPool(workers, setup);
    try {
      const work = { pool, progress, signal: request.signal };
      // Every part learns from all inputs, so that the parts have the same vocabulary.
      const learnt = part === undefined ? inputs : found;
      const tokenizer = ready ?? (await learn(learnt, options, factory, work));
      if (tokenizer.endOfText !== undefined) {
        const token = await tokenizer.decode([tokenizer.endOfText]);
        const id = `(id ${String(tokenizer.endOfText)})`;
        request.terminal.line(`end of text: ${token === '' ? id : `${token} ${id}`}`);
      }
      const splits = new Splits(output.path, tokenizer, { ...request, chat: request.chat !== undefined, continues });
      const written = await encode(inputs, options, tokenizer, splits, work);
      const data = describe(tokenizer, written, inputs, request);
      output.commit([...written.train.shards, ...written.val.shards], data);
      const runTogether = tokenizer.endOfText === undefined && request.chat === undefined;
      if (runTogether && Math.max(written.train.documents, written.val.documents) > 1) {
        const name = tokenizer.state().tokenizer;
        const advice = 'give a token of a tokenizer.json with --end-of-text, or choose another tokenizer';
        request.terminal.line(
          `texts are joined without a separator: the tokenizer ${name} has no end-of-text token; ${advice}`,
          'warn',
        );
      }
      return data;
    } finally {
      await pool.close();
    }
  } catch (thrown) {
    output.abandon();
    throw thrown;
  }
}

/** What does the jobs, reports progress, and stops them. */
interface Work {
  readonly pool: Pool;
  readonly progress: PrepareProgress;
  readonly signal: AbortSignal;
}

/** Reads all inputs once to learn a tokenizer from them. */
async function learn(
  inputs: readonly Input[],
  options: JobOptions,
  factory: TokenizerFactory,
  work: Work,
): Promise<Tokenizer> {
  const learned = new Map<string, TokenizerState>();
  work.progress.start('reading the vocabulary', totalSize(inputs));
  await eachAnswer(jobsOf(inputs, options), undefined, work, (_job, answer) => {
    if (answer.learned !== undefined) learned.set(JSON.stringify(answer.learned), answer.learned);
  });
  const combined = await factory.combine?.([...learned.values()]);
  if (combined === undefined) throw new Error('a tokenizer that learns combines what it learned');
  return combined;
}

async function encode(
  inputs: readonly Input[],
  options: JobOptions,
  tokenizer: Tokenizer,
  splits: Splits,
  work: Work,
): Promise<Written> {
  work.progress.start('encoding', totalSize(inputs));
  const empty = new Set(options.chat === undefined ? [] : inputs);
  try {
    await eachAnswer(
      jobsOf(inputs, { ...options, canCut: tokenizer.canCut }),
      tokenizer.state(),
      work,
      (job, answer) => {
        if (answer.ends.length > 0) empty.delete(job.input);
        splits.put(job, answer);
      },
    );
    for (const { name } of empty) throw new UsageError('ESP_PREPARE_CHAT', `${name} has no conversation: remove it`);
    return splits.finish();
  } catch (thrown) {
    splits.abandon();
    throw thrown;
  }
}

/** Does all jobs in worker threads, and passes the answers on in the order of the jobs. */
async function eachAnswer(
  jobs: AsyncGenerator<Job>,
  state: TokenizerState | undefined,
  { pool, progress, signal }: Work,
  take: (job: Job, answer: Answer) => void,
): Promise<void> {
  let lines = 0;
  try {
    for await (const { job, answer } of pool.answers(jobs, state)) {
      signal.throwIfAborted();
      if (job.first) lines = 0;
      if (!('tokens' in answer)) throw failed(job, answer, lines);
      lines += answer.lines;
      take(job, answer);
      progress.done(answer.bytes);
    }
    progress.end();
  } finally {
    progress.stop();
  }
}

function describe(
  tokenizer: Tokenizer,
  { train, val, empty }: Written,
  inputs: readonly Input[],
  request: PrepareRequest,
): PreparedData {
  const records = inputs.some(({ format }) => format !== 'text');
  return {
    format: 1,
    vocab_size: tokenizer.vocabSize,
    dtype: dtypeFor(tokenizer.vocabSize),
    end_of_text: tokenizer.endOfText ?? null,
    tokenizer: tokenizer.state(),
    ...(request.chat === undefined ? {} : { chat: request.chat }),
    tokens: { train: train.tokens, val: val.tokens },
    ...(request.chat === undefined ? {} : { learned: { train: train.learned, val: val.learned } }),
    documents: { train: train.documents, val: val.documents, empty },
    shards: { train: [...train.shards], val: [...val.shards] },
    made: {
      by: request.madeBy,
      inputs: inputs.map(({ name, format, size, split }) => ({
        name,
        format,
        bytes: size ?? null,
        split: split ?? 'by share',
      })),
      ...(request.val.length > 0 ? {} : { val_share: request.valShare }),
      ...(records && request.chat === undefined ? { field: request.field } : {}),
      shard_tokens: request.shardTokens,
      ...(request.part === undefined ? {} : { part: partName(request.part) }),
    },
  };
}

function totalSize(inputs: readonly Input[]): number | undefined {
  const sizes = inputs.map(({ size }) => size);
  return sizes.includes(undefined) ? undefined : sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
}
