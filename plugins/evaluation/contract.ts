export { estimateLoss, fullLoss } from './loss/estimate-loss.js';
export { Evaluators, type Evaluator, type EvaluatorContext } from './evaluators/evaluator.js';
