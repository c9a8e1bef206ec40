import type { Tensor } from '@tensorflow/tfjs-core';
import type { Snapshot } from '../contracts/checkpoint-store.js';
import type { Batch, Split } from '../contracts/data.js';
import type { Requests } from '../run/control.js';
import type { CheckpointKind, RunView } from '../run/state.js';
import { defineEvents, field, replaceable, type PayloadsOf } from './define.js';

/**
 * The core's events, in the order of a run:
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
 *   evaluation:due                   if one was requested
 *     evaluation:start, evaluation:batch, evaluation:end
 *   checkpoint:due                   if one was requested; `skip` leaves it out
 *     checkpoint:saved               whole on disk: at the start of a later iteration, or at the end
 *     checkpoint:failed              likewise, when it could not be written
 *   run:rollback                     before each of these, if a plugin asked to go back to a checkpoint
 * training:end                       the loop has ended; waits for work that runs beside it
 * run:end                            on every way out
 * ```
 *
 * Plugins publish `metrics` whenever they have some. Events of a plugin's own are declared in the same way: by a family in
 * its `events.ts`, by a plugin in a file in `@Plugin({ events })`. A plugin that listens to any other is refused.
 */
export const lifecycle = defineEvents({
  'run:setup': {
    when: 'once, after every plugin is made: engine, data and tokenizer initialize here',
    payload: { runDir: field<string>('the run folder, not yet created') },
  },
  'run:start': {
    when: 'once, when the weights are built or loaded, before the first iteration',
    payload: {
      state: field<RunView>('iteration, tokens and best validation loss'),
      maxIters: field<number>('iteration that the run ends at'),
      resumedFrom: field<string | undefined>('folder of the checkpoint that the run resumes from, if it resumes'),
      maxItersBefore: field<number | undefined>('train.max_iters of the checkpoint, if the run resumes'),
    },
  },
  'iteration:start': {
    when: 'before the batches of an iteration are drawn',
    payload: {
      iteration: field<number>('its number, from 0'),
      learningRate: field<number>('learning rate of its step'),
    },
  },
  'batch:ready': {
    when: 'for each micro-batch, before its forward pass',
    payload: {
      iteration: field<number>('its number, from 0'),
      microBatch: field<number>('from 0 to gradient_accumulation_steps - 1'),
      batch: replaceable<Batch>('inputs and targets, each [batch, block] int32, and what its strategy adds'),
      tokenLosses: replaceable<boolean | undefined>('set true to get the loss of each token in micro-batch:end'),
    },
  },
  'micro-batch:end': {
    when: 'after the forward and backward pass of a micro-batch',
    payload: {
      iteration: field<number>('its number, from 0'),
      microBatch: field<number>('from 0 to gradient_accumulation_steps - 1'),
      batch: field<Batch>('the batch of this pass: the rows of this rank'),
      loss: field<number>(
        'mean loss over its counted targets, with their weights, of this rank, nats; NaN without any',
      ),
      tokenLosses: field<Float32Array | undefined>(
        'loss of each token [batch, block], 0 where the target is -1, if a listener of batch:ready asked for it; never if no rank has a counted target',
      ),
    },
  },
  'gradients:ready': {
    when: 'after the last micro-batch; not in an iteration without counted targets, nor is step:ready',
    payload: {
      iteration: field<number>('its number, from 0'),
      gradients: replaceable<Map<string, Tensor>>(
        'by parameter name: of the mean over counted targets; replace entries, or the map (the loop disposes what it holds)',
      ),
    },
  },
  'step:ready': {
    when: 'before clipping and the optimizer step, when the gradients are final; left out of a step with a finite loss and norm that an engine computes at once, if every listener does without it (`On`)',
    payload: {
      iteration: field<number>('its number, from 0'),
      loss: field<number>('mean training loss over its counted targets, of all micro-batches and ranks, nats'),
      gradNorm: field<number>('global norm of the gradients before clipping'),
      gradients: field<ReadonlyMap<string, Tensor>>('by parameter name, as the optimizer will get them'),
      skip: replaceable<string | undefined>(
        'reason to skip the optimizer step: weights and optimizer stay unchanged, the iteration still counts',
      ),
    },
  },
  'iteration:end': {
    when: 'after the optimizer step',
    payload: {
      iteration: field<number>('the iteration that ended, from 0'),
      maxIters: field<number>('iteration that the run ends at'),
      loss: field<number>(
        'mean training loss over its counted targets, of all micro-batches and ranks, nats; NaN without any',
      ),
      targets: field<number>(
        'targets that count (neither -1 nor of weight 0), of all micro-batches and ranks; without any, there is no step',
      ),
      terms: field<Readonly<Record<string, number>>>(
        'mean of each loss term over the same targets, before its weight, by its name; empty without any',
      ),
      gradNorm: field<number>('global norm of the gradients before clipping'),
      learningRate: field<number>('learning rate of its step'),
      tokens: field<number>('training tokens seen so far, those of this iteration included'),
      skipped: field<string | undefined>('why the optimizer step was skipped, if it was'),
    },
  },
  'requests:ready': {
    when: 'before the first iteration and at each boundary, again after an evaluation and after a checkpoint: what plugins asked for through `RunControl` is about to be served',
    payload: {
      iteration: field<number>('iterations done'),
      requests: replaceable<Requests>(
        'what was asked for since the last time: stops, evaluation, checkpoints, rollbacks; several ranks agree on it here',
      ),
    },
  },
  'evaluation:due': {
    when: 'at the boundary between iterations, when a plugin requested an evaluation; in a run that is stopped, before the first iteration of the run that resumes it',
    payload: { iteration: field<number>('iterations done') },
  },
  'evaluation:start': {
    when: 'before the losses are estimated',
    payload: { iteration: field<number>('iterations done') },
  },
  'evaluation:batch': {
    when: 'after each batch of an evaluation, and each piece of an evaluator’s work',
    payload: {
      iteration: field<number>('iterations done'),
      split: field<Split | undefined>('train or val; left out while an evaluator is at work'),
      what: field<string>(
        'what is measured: train loss, val loss, val loss of a named set, or the name of an evaluator',
      ),
      done: field<number>('batches, or other pieces of that work, done so far by this rank'),
      of: field<number>('total for this rank'),
    },
  },
  'evaluation:end': {
    when: 'after the losses are estimated and evaluators have measured; not if a stop cut that short: the run that resumes begins with the whole evaluation',
    payload: {
      iteration: field<number>('iterations done'),
      losses: field<Readonly<Record<Split, number>>>('mean loss of `train` and `val`, nats'),
    },
  },
  'checkpoint:due': {
    when: 'at the boundary, after evaluation, when a plugin requested a checkpoint; the snapshot holds every plugin’s current state',
    payload: {
      kinds: field<readonly CheckpointKind[]>('latest, best, emergency'),
      snapshot: field<Snapshot>('weights, optimizer and state to write'),
      skip: replaceable<string | undefined>('reason to skip this checkpoint'),
    },
  },
  'checkpoint:saved': {
    when: 'when a checkpoint is whole on disk: at the start of a later iteration, or before `run:end`',
    payload: {
      iteration: field<number>('iterations done when it was taken'),
      path: field<string>('its folder'),
      kind: field<CheckpointKind>('latest, best or emergency'),
      pauseMs: field<number>('how long training paused for it (copying, and waiting for the one before), milliseconds'),
      writeMs: field<number>('how long writing took, in the background, milliseconds'),
    },
  },
  'checkpoint:failed': {
    when: 'when a checkpoint could not be written (disk full); its partial files are removed',
    payload: { iteration: field<number>('iterations done when it was taken'), message: field<string>('why') },
  },
  'run:rollback': {
    when: 'at the boundary, when the run, or its model alone, went back to one of its checkpoints because a plugin requested it: anything published after iteration `to` is undone, and plugins have their state from that checkpoint',
    payload: {
      what: field<'run' | 'model'>(
        'run, or model: the weights and the optimizer’s state alone, while the run’s iteration and data stay',
      ),
      from: field<number>('iterations done before'),
      to: field<number>('iterations done in the checkpoint'),
      path: field<string>('folder of the checkpoint'),
      reason: field<string>('why'),
      state: field<RunView>('iteration, tokens and best validation loss after it'),
    },
  },
  metrics: {
    when: 'whenever a plugin publishes numbers, of names that it declares; sinks listen',
    payload: {
      iteration: field<number>('the iteration they belong to'),
      values: field<Readonly<Record<string, number>>>('numbers by metric name, such as `train/loss`'),
      tokens: field<number | undefined>('training tokens seen by that iteration; if left out, those seen so far'),
      plugin: field<string | undefined>('plugin that declares them, if another publishes them for it'),
    },
  },
  'training:end': {
    when: 'when the loop has ended, done or stopped, and before `run:end`: wait here, for a bounded time, for work that runs beside training, and publish its last results',
    payload: { iteration: field<number>('iterations done') },
  },
  'run:end': {
    when: 'on every way out: done, stopped or failed; plugins are disposed afterwards',
    payload: {
      status: field<'done' | 'stopped' | 'failed'>('done, stopped or failed'),
      state: field<RunView>('iteration, tokens and best validation loss'),
      reasons: field<readonly string[]>('why it stopped or failed; empty when done'),
    },
  },
});

/** Payloads by event name. Plugins add theirs: `interface Events extends PayloadsOf<typeof events> {}`. */
export interface Events extends PayloadsOf<typeof lifecycle> {}
export type EventName = keyof Events;

export type RunSetup = Events['run:setup'];
export type RunStart = Events['run:start'];
export type IterationStart = Events['iteration:start'];
export type BatchReady = Events['batch:ready'];
export type MicroBatchEnd = Events['micro-batch:end'];
export type GradientsReady = Events['gradients:ready'];
export type StepReady = Events['step:ready'];
export type IterationEnd = Events['iteration:end'];
export type RequestsReady = Events['requests:ready'];
export type EvaluationDue = Events['evaluation:due'];
export type EvaluationStart = Events['evaluation:start'];
export type EvaluationBatch = Events['evaluation:batch'];
export type EvaluationEnd = Events['evaluation:end'];
export type CheckpointDue = Events['checkpoint:due'];
export type CheckpointSaved = Events['checkpoint:saved'];
export type CheckpointFailed = Events['checkpoint:failed'];
export type RunRollback = Events['run:rollback'];
export type Metrics = Events['metrics'];
export type TrainingEnd = Events['training:end'];
export type RunEnd = Events['run:end'];
