import { parentPort, workerData } from 'node:worker_threads';
import type { Tokenizer, TokenizerState } from '../../../core/index.js';
import { TokenizersByName, type TokenizerChoice } from '../../../core/runs.js';
import { encodePiece, learnPiece, type Answer, type Failure } from './answer.js';
import type { Piece } from './jobs.js';

/** What a worker needs to make the tokenizer. */
export interface WorkerSetup {
  readonly cwd: string;
  readonly choice: TokenizerChoice;
}

/** A task for a worker. */
export interface Task {
  readonly piece: Piece;
  /**
   * State of the tokenizer. Undefined while it is being learned: the answer is then the state learned from the piece
   * alone.
   */
  readonly state: TokenizerState | undefined;
}

const setup = workerData as WorkerSetup;
const factory = new TokenizersByName(setup.cwd).factory(setup.choice);
let tokenizer: Promise<Tokenizer> | undefined;

/** The last task's promise. Tasks are chained on it, so that answers are sent in order. */
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
