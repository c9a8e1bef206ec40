import { tf, type Model } from '../../../core/index.js';
import { tokenCrossEntropy, withChangingShapes } from '../../ops/contract.js';
import type { Question, Row } from './questions.js';

/**
 * Groups questions of similar length to be scored together: at least one question, and otherwise at most `tokens`
 * tokens when padded to the longest.
 */
export function batchesOf(questions: readonly Question[], tokens: number): Question[][] {
  const longest = (question: Question): number => Math.max(...question.rows.map(lengthOf));
  const sorted = [...questions].sort((a, b) => longest(b) - longest(a));
  const batches: Question[][] = [];
  let open: Question[] = [];
  let rows = 0;
  for (const question of sorted) {
    const [first = question] = open;
    if (open.length > 0 && (rows + question.rows.length) * longest(first) > tokens) {
      batches.push(open);
      [open, rows] = [[], 0];
    }
    open.push(question);
    rows += question.rows.length;
  }
  if (open.length > 0) batches.push(open);
  return batches;
}

/**
 * Returns the sum of the log-probabilities of each ending's tokens after its context, in nats, one per ending for each
 * question. The model's engine must be current.
 */
export function scoresOf(model: Model, questions: readonly Question[]): number[][] {
  const rows = questions.flatMap((question) => question.rows);
  const time = Math.max(...rows.map(lengthOf));
  const ids = new Int32Array(rows.length * time);
  const targets = new Int32Array(rows.length * time).fill(-1);
  for (const [index, row] of rows.entries()) {
    const length = lengthOf(row);
    const first = length - row.endingLength;
    // Attention is causal, so padding after a row does not affect it.
    ids.set(row.ids.subarray(0, length), index * time);
    targets.set(row.ids.subarray(first + 1), index * time + first);
  }
  const losses = withChangingShapes(() => lossesOf(model, ids, targets, [rows.length, time]));
  const sums = rows.map(
    (_, index) => -losses.subarray(index * time, (index + 1) * time).reduce((sum, loss) => sum + loss, 0),
  );
  let from = 0;
  return questions.map((question) => sums.slice(from, (from += question.rows.length)));
}

/** Counts the questions answered right, by the sum of log-probabilities and by their mean per token. */
export function countRight(
  questions: readonly Question[],
  scores: readonly (readonly number[])[],
): [sum: number, mean: number] {
  const isRight = ({ label }: Question, own: readonly number[]): boolean => own.indexOf(Math.max(...own)) === label;
  let [bySum, byMean] = [0, 0];
  for (const [index, question] of questions.entries()) {
    const own = scores[index] ?? [];
    const means = own.map((score, ending) => score / (question.rows[ending]?.endingLength ?? NaN));
    if (isRight(question, own)) bySum++;
    if (isRight(question, means)) byMean++;
  }
  return [bySum, byMean];
}

/** Returns the number of tokens to read: all but the last. */
function lengthOf({ ids }: Row): number {
  return ids.length - 1;
}

/** Returns the cross-entropy of each target; 0 for targets of -1. */
function lossesOf(
  model: Model,
  ids: Int32Array,
  targets: Int32Array,
  shape: [rows: number, time: number],
): Float32Array {
  return tf.tidy(() => {
    const logits = model.logits(tf.tensor2d(ids, shape, 'int32'));
    const losses = tokenCrossEntropy(logits, tf.tensor2d(targets, shape, 'int32'));
    return losses.dataSync<'float32'>().slice();
  });
}
