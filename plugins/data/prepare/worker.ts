import { parentPort, workerData } from 'node:worker_threads';
import type { Tokenizer, TokenizerState } from '../../../core/index.js';
import { TokenizersByName, type TokenizerChoice } from '../../../core/runs.js';
import { encodePiece, learnPiece, type Answer, type Failure } from './answer.js';
import type { Piece } from './jobs.js';

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

const setup = workerData as WorkerSetup;
const factory = new TokenizersByName(setup.cwd).factory(setup.choice);
let tokenizer: Promise<Tokenizer> | undefined;

/** Answers are given in the order of the tasks, also where reading one takes longer than the next. */
let last: Promise<void> = Promise.resolve();

parentPort?.on('message', (task: Task) => {
  last = last
    .then(() => answer(task))
    .then((found) => {
      const mask = 'mask' in found ? [found.mask.buffer] : [];
      parentPort?.postMessage(found, 'tokens' in found ? [found.tokens.buffer, found.ends.buffer, ...mask] : []);
    });
});

async function answer({ piece, state }: Task): Promise<Answer | Failure> {
  if (state === undefined) return learnPiece(piece, () => factory);
  return encodePiece(piece, async () => (tokenizer ??= Promise.resolve((await factory).fromState(state))));
}
