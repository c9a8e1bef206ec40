import { parentPort, workerData } from 'node:worker_threads';
import type { Tokenizer, TokenizerFactory, TokenizerState } from '../contracts/data.js';
import { EspalierError, messageOf } from '../errors.js';
import { TokenizersByName, type TokenizerChoice } from '../run/tokenizers.js';
import type { Piece } from './jobs.js';
import { BadPiece, readPiece } from './read-piece.js';
import { bytesPerToken, type Tokens } from './shard-writer.js';

/** What a worker needs to make the tokenizer again. */
export interface WorkerSetup {
  readonly cwd: string;
  readonly choice: TokenizerChoice;
}

/** What a worker is sent. */
export interface Task {
  readonly piece: Piece;
  /** Undefined where the tokenizer is being learned: the answer is then the state of the piece alone. */
  readonly state: TokenizerState | undefined;
}

export interface Answer {
  /** All documents of the piece, one after the other. */
  readonly tokens: Tokens;
  /** Where each document ends in them. */
  readonly ends: Uint32Array<ArrayBuffer>;
  readonly bytes: number;
  readonly lines: number;
  /** When learning: what the tokenizer of this piece alone is. */
  readonly learned?: TokenizerState;
}

/** Why there is no answer; `code` is undefined where it is nothing that the user could mend. */
export interface Failure {
  readonly code: string | undefined;
  readonly message: string;
  readonly at: BadPiece['at'];
}

const setup = workerData as WorkerSetup;
const factory = new TokenizersByName(setup.cwd).factory(setup.choice);
let tokenizer: Tokenizer | undefined;

/** Answers are given in the order of the tasks, also where reading one takes longer than the next. */
let last: Promise<void> = Promise.resolve();

parentPort?.on('message', (task: Task) => {
  last = last
    .then(() => answer(task))
    .then(
      (found) => parentPort?.postMessage(found, [found.tokens.buffer, found.ends.buffer]),
      (thrown: unknown) => parentPort?.postMessage(failureOf(thrown)),
    );
});

async function answer({ piece, state }: Task): Promise<Answer> {
  const made = await factory;
  const { texts, bytes, lines } = await readPiece(piece);
  if (state === undefined) {
    const none = { tokens: new Uint16Array(0), ends: new Uint32Array(0) };
    return { ...none, bytes, lines, learned: await learn(made, texts) };
  }
  tokenizer ??= await made.fromState(state);
  return { ...(await encode(tokenizer, texts)), bytes, lines };
}

async function learn(made: TokenizerFactory, texts: readonly string[]): Promise<TokenizerState> {
  return (await made.forText(texts.join(''))).state();
}

async function encode(by: Tokenizer, texts: readonly string[]): Promise<Pick<Answer, 'tokens' | 'ends'>> {
  const made = bytesPerToken(by.vocabSize) === 2 ? Uint16Array : Uint32Array;
  let tokens: Tokens = new made(texts.reduce((sum, text) => sum + text.length, 0) >> 1);
  const ends = new Uint32Array(texts.length);
  let end = 0;
  for (const [index, text] of texts.entries()) {
    // Narrowed at once: the ids of many texts would be several times the texts.
    const ids = await by.encode(text);
    if (end + ids.length > tokens.length) {
      const larger = new made(2 * tokens.length + ids.length);
      larger.set(tokens);
      tokens = larger;
    }
    tokens.set(ids, end);
    ends[index] = end += ids.length;
  }
  return { tokens: tokens.slice(0, end), ends };
}

function failureOf(thrown: unknown): Failure {
  if (thrown instanceof BadPiece) return { code: thrown.code, message: thrown.message, at: thrown.at };
  const code = thrown instanceof EspalierError ? thrown.code : undefined;
  return { code, message: messageOf(thrown), at: {} };
}
