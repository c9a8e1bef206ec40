import path from 'node:path';
import {
  tf,
  type Batch,
  type StoredTensor,
  type Engine,
  type LearningRate,
  type Model,
  type Optimizer,
  messageOf,
  UsageError,
} from '../../../core/index.js';
import { z } from 'zod';
import { readJsonFile } from '../../files/contract.js';
import { readSafetensors } from '../../checkpoint/contract.js';
import { trainableParameters, PassReplay, microBatchStep } from '../../../core/runs.js';

/** Config of the parts of the pipeline that a case needs, with their plugins' own keys. */
export interface ParitySettings {
  readonly model: Record<string, unknown>;
  readonly optimizer: Record<string, unknown>;
  readonly lr: Record<string, unknown>;
  readonly steps: number;
  readonly gradClip: number;
  readonly accum: number;
  readonly vocabSize: number;
}

export interface ParityParts {
  readonly engine: Engine;
  readonly model: Model;
  readonly optimizer: Optimizer;
  readonly learningRate: LearningRate;
  readonly dispose: () => Promise<void>;
}

/** The largest relative error of one kind, and its limit. */
export interface ParityMeasure {
  readonly name: 'logits' | 'gradients' | 'loss' | 'grad norm' | 'weights';
  readonly error: number;
  readonly limit: number;
}

export interface ParityReport {
  readonly passed: boolean;
  readonly measures: readonly ParityMeasure[];
}

export type ParityPrecision = 'f32' | 'bf16';

/** bf16 rounds operands to 8 bits of mantissa: only the losses can be expected to agree. */
const LIMITS: Record<ParityPrecision, Partial<Record<ParityMeasure['name'], number>>> = {
  f32: { logits: 1e-4, gradients: 1e-4, loss: 1e-4, 'grad norm': 1e-3, weights: 1e-3 },
  bf16: { loss: 1e-2 },
};

const caseSchema = z.object({
  /** The model's plugin and its options, checked like those of any config. */
  model: z.looseObject({ use: z.string().default('gpt'), vocab_size: z.int() }),
  train: z.object({
    lr: z.number(),
    min_lr: z.number(),
    warmup_iters: z.int(),
    lr_decay_iters: z.int(),
    beta1: z.number(),
    beta2: z.number(),
    eps: z.number(),
    weight_decay: z.number(),
    grad_clip: z.number(),
    accum: z.int(),
  }),
  steps: z.array(z.object({ loss: z.number(), grad_norm: z.number() })).min(1),
});
type Case = z.output<typeof caseSchema>;

/**
 * Trains a case's model on its batches and compares each number with PyTorch's. Errors are relative to the largest
 * element of the tensor, or to the number itself. Those of the final weights are absolute, because of the bias of the
 * keys: attention does not depend on it, so its gradient is nothing but rounding, which Adam scales up; even PyTorch's
 * own value moves by over 1e-3 of its largest element.
 * @param dir folder with `case.json`, `init`, `batches`, `first` and `final.safetensors`
 * @param make builds the parts of the pipeline
 * @param precision of the parts that `make` builds
 * @throws UsageError when the folder is not a case, or needs something the model does not support
 */
export async function runParityCase(
  dir: string,
  make: (settings: ParitySettings) => Promise<ParityParts>,
  precision: ParityPrecision = 'f32',
): Promise<ParityReport> {
  const wanted = await readCase(dir);
  const [init, final, first, batches] = await Promise.all(
    ['init', 'final', 'first', 'batches'].map((name) => readSafetensors(path.join(dir, `${name}.safetensors`))),
  );
  if (init === undefined || final === undefined || first === undefined || batches === undefined)
    throw new Error('unreachable');
  const parts = await make(settingsOf(wanted));
  try {
    setWeights(parts.model, init, dir);
    const worst = { logits: 0, gradients: 0, loss: 0, 'grad norm': 0, weights: 0 };
    const note = (name: keyof typeof worst, error: number): void => {
      // NaN counts as an infinite error.
      worst[name] = error <= worst[name] ? worst[name] : Number.isNaN(error) ? Infinity : error;
    };
    const logits = tf.tidy(() => Float32Array.from(parts.model.logits(inputsOf(batchAt(batches, 0))).dataSync()));
    note('logits', tensorError(logits, valuesOf(first, 'logits')));
    trainSteps(wanted, batches, parts, first, note);
    for (const [name, variable] of parts.model.parameters()) {
      note('weights', largestDifference(variable.dataSync(), valuesOf(final, name)));
    }
    const names = ['logits', 'gradients', 'loss', 'grad norm', 'weights'] as const;
    const measures = names.flatMap((name) => {
      const limit = LIMITS[precision][name];
      return limit === undefined ? [] : [{ name, error: worst[name], limit }];
    });
    return { measures, passed: measures.every(({ error, limit }) => error <= limit) };
  } finally {
    await parts.dispose();
  }
}

function trainSteps(
  wanted: Case,
  batches: ReadonlyMap<string, StoredTensor>,
  { engine, model, optimizer, learningRate }: ParityParts,
  first: ReadonlyMap<string, StoredTensor>,
  note: (name: ParityMeasure['name'], error: number) => void,
): void {
  const { accum, grad_clip: gradClip } = wanted.train;
  const passes = new PassReplay(engine, model);
  wanted.steps.forEach((step, iteration) => {
    const gradients = new Map<string, tf.Tensor>();
    let loss = 0;
    for (let microBatch = 0; microBatch < accum; microBatch++) {
      const batch = batchAt(batches, iteration * accum + microBatch);
      const losses = microBatchStep(passes, batch, 1 / accum, gradients, { pass: { iteration, microBatch } });
      loss += losses.read().loss / accum;
    }
    if (iteration === 0) {
      for (const [name, gradient] of gradients)
        note('gradients', tensorError(gradient.dataSync(), valuesOf(first, `grad.${name}`)));
    }
    const rate = learningRate.at(iteration, optimizer.learningRate);
    const norm = optimizer.step({ parameters: trainableParameters(model), gradients, learningRate: rate, gradClip });
    for (const gradient of gradients.values()) gradient.dispose();
    note('loss', Math.abs(loss - step.loss) / Math.abs(step.loss));
    note('grad norm', Math.abs(norm - step.grad_norm) / step.grad_norm);
  });
}

async function readCase(dir: string): Promise<Case> {
  try {
    return caseSchema.parse(readJsonFile(path.join(dir, 'case.json')));
  } catch (thrown) {
    throw new UsageError(
      'ESP_PARITY_CASE',
      `${path.join(dir, 'case.json')} is not a parity case: ${messageOf(thrown)}`,
      {
        cause: thrown,
      },
    );
  }
}

function settingsOf({ model, train, steps }: Case): ParitySettings {
  return {
    model,
    optimizer: {
      learning_rate: train.lr,
      beta1: train.beta1,
      beta2: train.beta2,
      eps: train.eps,
      weight_decay: train.weight_decay,
    },
    lr: { warmup_iters: train.warmup_iters, decay_iters: train.lr_decay_iters, min_lr: train.min_lr },
    steps: steps.length,
    gradClip: train.grad_clip,
    accum: train.accum,
    vocabSize: model.vocab_size,
  };
}

function setWeights(model: Model, init: ReadonlyMap<string, StoredTensor>, dir: string): void {
  for (const [name, variable] of model.parameters()) {
    const stored = init.get(name);
    if (stored === undefined) throw new UsageError('ESP_PARITY_CASE', `${dir}/init.safetensors lacks ${name}`);
    tf.tidy(() => {
      variable.assign(tf.tensor(stored.values, stored.shape));
    });
  }
}

function batchAt(batches: ReadonlyMap<string, StoredTensor>, index: number): Batch {
  const [, batchSize = 0, blockSize = 0] = batches.get('x')?.shape ?? [];
  const size = batchSize * blockSize;
  const part = (name: string): Int32Array =>
    Int32Array.from(valuesOf(batches, name).subarray(index * size, (index + 1) * size));
  return { inputs: part('x'), targets: part('y'), batchSize, blockSize };
}

function inputsOf({ inputs, batchSize, blockSize }: Batch): tf.Tensor2D {
  return tf.tensor2d(inputs, [batchSize, blockSize], 'int32');
}

function valuesOf(tensors: ReadonlyMap<string, StoredTensor>, name: string): Float32Array | Int32Array {
  const stored = tensors.get(name);
  if (stored === undefined) throw new UsageError('ESP_PARITY_CASE', `the case lacks the tensor ${name}`);
  return stored.values;
}

/** Returns the largest difference relative to the largest expected element. */
function tensorError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  const largest = Array.from(expected).reduce((most, value) => Math.max(most, Math.abs(value)), Number.MIN_VALUE);
  return largestDifference(actual, expected) / largest;
}

function largestDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs((actual[i] ?? NaN) - (expected[i] ?? NaN));
    difference = error <= difference ? difference : Number.isNaN(error) ? Infinity : error;
  }
  return difference;
}
