import { tf, UsageError, type Model, type TrainingPass } from '../../../core/index.js';
import type { LossTerm, TermPass } from '../../losses/contract.js';
import type { LossParts, PassInputs } from '../../../core/runs.js';
import { tokenLosses } from '../../ops/contract.js';

/**
 * Computes weighted cross-entropy and loss terms in one forward pass. @param terms with their weights in
 * `inputs.termWeights`
 */
export function lossParts(
  model: Model,
  inputs: PassInputs,
  terms: readonly LossTerm[],
  pass?: TrainingPass,
): LossParts {
  const { ids, targets, tokens, weights, fields, termWeights } = inputs;
  const forward = model.forward?.(ids, pass, tokens);
  const logits = forward?.logits ?? model.logits(ids, pass, tokens);
  const { losses, logSumExp } = tokenLosses(logits, targets);

  const counted = tf.cast(tf.greaterEqual(targets, tf.scalar(0, 'int32')), 'float32');
  const shares = weights === undefined ? counted : tf.mul(counted, weights);
  const all = tf.sum(shares);
  const mean = (perToken: tf.Tensor): tf.Scalar => tf.div(tf.sum(tf.mul(perToken, shares)), all);
  const passOf = ({ name }: LossTerm): TermPass => ({
    ...{ ids, targets, tokens, logits, mean },
    losses: () => losses,
    logSumExp: () => logSumExp,
    hidden: () => forward?.hidden ?? refuse(name, 'needs hidden states, and the model has no `forward`'),
    field: (field) => fields.get(field) ?? refuse(name, `needs ${missing(field, [...fields.keys()])}`),
  });

  const crossEntropy = mean(losses);
  const means = terms.map((term) => checked(term, term.compute(passOf(term))));
  const weighted = means.map((value, at) => tf.mul<tf.Scalar>(value, termWeights[at] ?? 1));
  const total = weighted.reduce((sum, value) => tf.add<tf.Scalar>(sum, value), crossEntropy);
  return { total, crossEntropy, terms: means, losses };
}

function checked({ name }: LossTerm, value: tf.Scalar): tf.Scalar {
  const { shape }: tf.Tensor = value;
  return shape.length === 0 ? value : refuse(name, `is a tensor [${String(shape)}]: return what \`pass.mean\` gives`);
}

function missing(field: string, there: readonly string[]): string {
  const has = there.length === 0 ? 'none' : there.map((name) => JSON.stringify(name)).join(', ');
  return `the field ${JSON.stringify(field)} of the batch, which has ${has}: a batch strategy or a listener of batch:ready adds it to \`fields\``;
}

/** @throws UsageError naming the term */
function refuse(name: string, what: string): never {
  throw new UsageError('ESP_LOSS_TERM', `loss term ${JSON.stringify(name)} ${what}`);
}
