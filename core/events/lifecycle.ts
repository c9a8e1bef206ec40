import type {
  BatchReady,
  CheckpointDue,
  CheckpointFailed,
  CheckpointSaved,
  EvaluationDue,
  EvaluationBatch,
  EvaluationEnd,
  EvaluationStart,
  GradientsReady,
  Histogram,
  IterationEnd,
  IterationStart,
  Metrics,
  MicroBatchEnd,
  OperationEvent,
  RequestsReady,
  RunEnd,
  RunRollback,
  RunSetup,
  RunStart,
  Sample,
  StepReady,
  TrainingEnd,
} from './payloads.js';

/**
 * Every event of a run, where it fires:
 *
 * ```
 * run:setup                          engine, data and tokenizer get ready
 * run:start                          weights are built or loaded
 * for each iteration:
 *   iteration:start
 *   for each micro-batch:
 *     batch:ready                    `batch` may be replaced
 *     micro-batch:end                forward and backward are done
 *   gradients:ready                  `gradients` may be replaced
 *   step:ready                       the gradients are final; `skip` leaves the step out
 *   iteration:end                    the weights are updated
 *   requests:ready                   `requests` may be replaced; again after an evaluation and a checkpoint
 *   evaluation:due                   if one was asked for
 *     evaluation:start, evaluation:batch, evaluation:end
 *   checkpoint:due                   if one was asked for; `skip` leaves it out
 *     checkpoint:saved               whole on disk: at the start of a later iteration, or at the end
 *     checkpoint:failed              likewise, when it could not be written
 *   run:rollback                     before each of these, if a plugin asked to go back to a checkpoint
 * training:end                       the loop has ended: what runs beside it is waited for
 * run:end                            on every way out
 * ```
 *
 * Published by plugins whenever they have something, for those that show or keep it: `metrics`, `sample`,
 * `histogram`, `operation`.
 *
 * A plugin that listens to another event is refused when it loads.
 */
export interface Events {
  'run:setup': RunSetup;
  'run:start': RunStart;
  'iteration:start': IterationStart;
  'batch:ready': BatchReady;
  'micro-batch:end': MicroBatchEnd;
  'gradients:ready': GradientsReady;
  'step:ready': StepReady;
  'iteration:end': IterationEnd;
  'requests:ready': RequestsReady;
  'evaluation:due': EvaluationDue;
  'evaluation:start': EvaluationStart;
  'evaluation:batch': EvaluationBatch;
  'evaluation:end': EvaluationEnd;
  'checkpoint:due': CheckpointDue;
  'checkpoint:saved': CheckpointSaved;
  'checkpoint:failed': CheckpointFailed;
  'run:rollback': RunRollback;
  metrics: Metrics;
  sample: Sample;
  histogram: Histogram;
  operation: OperationEvent;
  'training:end': TrainingEnd;
  'run:end': RunEnd;
}
export type EventName = keyof Events;

/** What the events page and `espalier events` print of an event. */
export interface EventDescription {
  when: string;
  /** Payload fields with what they hold. */
  payload: Record<string, string>;
  /** Payload fields a listener may replace; all others are read-only. */
  mayReplace: readonly string[];
}

/** The table of every core event, in the order of a run: the reference page is made from it. */
export const lifecycle: Record<EventName, EventDescription> = {
  'run:setup': {
    when: 'once, after every plugin is made: engines, data and tokenizers get ready here',
    payload: { runDir: 'the run’s folder (not yet created)' },
    mayReplace: [],
  },
  'run:start': {
    when: 'once, when the weights are built or loaded, before the first iteration',
    payload: {
      state: 'iteration, tokens and best validation loss',
      maxIters: 'the number of iterations the run ends at',
      resumedFrom: 'the checkpoint that the run goes on from, if any',
      maxItersBefore: 'the number of iterations that the run of that checkpoint was to end at',
    },
    mayReplace: [],
  },
  'iteration:start': {
    when: 'before the batches of an iteration are drawn',
    payload: { iteration: 'its number, from 0', learningRate: 'the rate it will use' },
    mayReplace: [],
  },
  'batch:ready': {
    when: 'for each micro-batch, before its forward pass',
    payload: {
      iteration: 'its number',
      microBatch: 'from 0 to gradient_accumulation_steps - 1',
      batch: 'inputs and targets, each [batch, block] int32',
    },
    mayReplace: ['batch'],
  },
  'micro-batch:end': {
    when: 'after a micro-batch’s forward and backward pass',
    payload: { iteration: 'its number', microBatch: 'its number within the iteration' },
    mayReplace: [],
  },
  'gradients:ready': {
    when: 'after the last micro-batch; not in an iteration without counted targets, nor is step:ready',
    payload: {
      iteration: 'its number',
      gradients:
        'by parameter name: of the mean over counted targets; replace entries, or the map (the loop disposes what it holds)',
    },
    mayReplace: ['gradients'],
  },
  'step:ready': {
    when: 'before clipping and the optimizer step, when no listener changes the gradients any more',
    payload: {
      iteration: 'its number',
      loss: 'mean training loss over its counted targets, of all micro-batches and ranks, nats',
      gradNorm: 'global norm of the gradients before clipping',
      gradients: 'by parameter name, as the optimizer will get them',
      skip: 'set it to a reason, and the step is left out: weights and optimizer stay as they are, the iteration counts',
    },
    mayReplace: ['skip'],
  },
  'iteration:end': {
    when: 'after the optimizer step',
    payload: {
      iteration: 'the iteration that ended, from 0',
      maxIters: 'the number of iterations the run ends at',
      loss: 'mean training loss over its counted targets, of all micro-batches and ranks, nats; NaN without any',
      targets: 'targets that are not -1, of all micro-batches and ranks; without any, there is no step',
      gradNorm: 'global norm of the gradients before clipping',
      learningRate: 'the rate it used',
      tokens: 'training tokens seen so far',
      skipped: 'why the optimizer’s step was left out, where it was',
    },
    mayReplace: [],
  },
  'requests:ready': {
    when: 'before the first iteration and at each boundary, again after an evaluation and after a checkpoint: what plugins asked for through `RunControl` is about to be served',
    payload: {
      iteration: 'iterations done',
      requests:
        'what was asked for since the last time: stops, evaluation, checkpoints, rollbacks; several ranks agree on it here',
    },
    mayReplace: ['requests'],
  },
  'evaluation:due': {
    when: 'at the boundary between iterations, when a plugin asked for an evaluation; in a run that is stopped, before the first iteration of the one that goes on from it',
    payload: { iteration: 'iterations done' },
    mayReplace: [],
  },
  'evaluation:start': {
    when: 'before the losses are estimated',
    payload: { iteration: 'iterations done' },
    mayReplace: [],
  },
  'evaluation:batch': {
    when: 'after each batch of an evaluation',
    payload: {
      iteration: 'iterations done',
      split: 'train or val',
      done: 'batches of that split so far, of this rank',
      of: 'batches of that split',
    },
    mayReplace: [],
  },
  'evaluation:end': {
    when: 'after the losses are estimated; not where a stop cut that short: the run that goes on begins with the whole evaluation',
    payload: { iteration: 'iterations done', losses: 'mean loss of `train` and `val`, nats' },
    mayReplace: [],
  },
  'checkpoint:due': {
    when: 'at the boundary, after evaluation, when a plugin asked for a checkpoint; every plugin’s state is of this moment',
    payload: {
      kinds: 'latest, best, emergency',
      snapshot: 'weights, optimizer and state to write',
      skip: 'set it to a reason, and nothing is written',
    },
    mayReplace: ['skip'],
  },
  'checkpoint:saved': {
    when: 'when a checkpoint is whole on disk: at the start of a later iteration, or before `run:end`',
    payload: {
      iteration: 'iterations done when it was taken',
      path: 'its folder',
      kind: 'latest, best or emergency',
      pauseMs: 'how long training stood still for it, milliseconds',
      writeMs: 'how long the writing took beside it, milliseconds',
    },
    mayReplace: [],
  },
  'checkpoint:failed': {
    when: 'when a checkpoint could not be written (a full disk); nothing is left of it',
    payload: { iteration: 'iterations done when it was taken', message: 'why' },
    mayReplace: [],
  },
  'run:rollback': {
    when: 'at the boundary, when the run went back to one of its checkpoints because a plugin asked for it: what was published after `to` is of iterations that are gone; plugins have their state of then',
    payload: {
      what: 'run, or model: the weights and the optimizer’s state alone, the run stands where it stood',
      from: 'iterations done before',
      to: 'iterations done in the checkpoint',
      path: 'the checkpoint’s folder',
      reason: 'why',
      state: 'iteration, tokens and best validation loss as they are now',
    },
    mayReplace: [],
  },
  metrics: {
    when: 'whenever a plugin publishes numbers, of names that it declares; sinks listen',
    payload: {
      iteration: 'the iteration they belong to',
      values: 'numbers by metric name',
      tokens: 'training tokens seen by then; left out for now',
    },
    mayReplace: [],
  },
  sample: {
    when: 'when a plugin has had the model write a text',
    payload: { iteration: 'iterations done', prompt: 'what it goes on from', text: 'what the model wrote' },
    mayReplace: [],
  },
  histogram: {
    when: 'when a plugin has counted how the elements of a tensor are spread',
    payload: {
      iteration: 'iterations done',
      name: 'such as `weights/…` or `gradients/…`',
      edges: 'of the buckets, ascending',
      counts: 'elements in each bucket',
      sum: 'of the elements',
      sumOfSquares: 'of the elements',
    },
    mayReplace: [],
  },
  operation: {
    when: 'when an operation of a schedule starts, and when it has ended',
    payload: {
      iteration: 'iterations done',
      name: 'of the operation',
      value: 'that it was given',
      outcome: 'start, success, error or reevaluation',
      message: 'what went wrong, or the loss that was measured again',
      schedule: 'every operation, with whether it is completed',
    },
    mayReplace: [],
  },
  'training:end': {
    when: 'when the loop has ended, done or stopped, and before `run:end`: what runs beside training is waited for, for a bounded time, and its last results are published',
    payload: { iteration: 'iterations done' },
    mayReplace: [],
  },
  'run:end': {
    when: 'on every way out: done, stopped or failed; plugins are disposed afterwards',
    payload: { status: 'done, stopped or failed', state: 'where the run stands', reasons: 'why it stopped or failed' },
    mayReplace: [],
  },
};
