import { createHash } from 'node:crypto';
import type { Tensor } from '@tensorflow/tfjs-core';
import { z } from 'zod';
import {
  inject,
  Model,
  On,
  Plugin,
  PluginConfig,
  RunControl,
  UsageError,
  type BatchReady,
  type GradientsReady,
  type IterationEnd,
} from '../../core/index.js';
import {
  questionSchema,
  type Compared,
  type Moment,
  type Question,
  type Values,
  type ValuesAnswer,
} from './determinism/protocol.js';

const options = z
  .strictObject({ iterations: z.int().min(1).default(10).describe('iterations to compare; the run stops after them') })
  .meta({ resume: 'free' });

/** A tensor or a list of token ids, with a function that reads its elements. */
interface Named {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: () => Values;
}

@Plugin({
  name: 'determinism-check',
  summary:
    'Runs in lockstep with a second process and compares every batch, gradient and weight: `espalier train --verify-determinism`.',
  config: options,
})
export default class DeterminismCheck {
  readonly #send: (message: Moment | ValuesAnswer) => void;
  #done = 0;

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(Model) private readonly model: Model,
    @inject(RunControl) private readonly control: RunControl,
  ) {
    if (process.send === undefined) {
      throw new UsageError(
        'ESP_VERIFY_RUN',
        'plugin determinism-check cannot be used on its own: run espalier train --verify-determinism N',
      );
    }
    const send = process.send.bind(process);
    this.#send = (message): void => {
      send(message);
    };
  }

  @On('run:start')
  async weightsAtStart(): Promise<void> {
    await this.#compare('weights', 0, named(this.model.parameters()));
  }

  @On('batch:ready')
  async batch({ microBatch, batch }: BatchReady): Promise<void> {
    const shape = [batch.batchSize, batch.blockSize];
    const of = `micro-batch ${String(microBatch)}`;
    await this.#compare('batch', this.#done + 1, [
      { name: `inputs of ${of}`, shape, values: () => batch.inputs },
      { name: `targets of ${of}`, shape, values: () => batch.targets },
      ...Object.entries({ ...batch.fields, weights: batch.weights, documents: batch.documents }).flatMap(
        ([name, values]) => (values === undefined ? [] : [{ name: `${name} of ${of}`, shape, values: () => values }]),
      ),
    ]);
  }

  @On('gradients:ready')
  async gradients({ gradients }: GradientsReady): Promise<void> {
    await this.#compare('gradients', this.#done + 1, named(gradients));
  }

  @On('iteration:end')
  async weights(_: IterationEnd): Promise<void> {
    this.#done++;
    await this.#compare('weights', this.#done, named(this.model.parameters()));
    if (this.#done === this.config.iterations) this.control.requestStop('all iterations are compared');
  }

  /** Sends what this run has, then answers questions until the other run has reached the same moment. */
  async #compare(what: Compared, iteration: number, tensors: readonly Named[]): Promise<void> {
    const described = tensors.map(({ name, shape, values }) => ({
      name,
      shape: [...shape],
      digest: digestOf(values()),
    }));
    this.#send({ type: 'moment', what, iteration, tensors: described });
    for (;;) {
      const question = await nextQuestion();
      if (question.type === 'go') return;
      const asked = tensors.find(({ name }) => name === question.name);
      if (asked === undefined)
        throw new Error(`the comparing process asked for ${question.name}, which this run does not have`);
      this.#send({ type: 'values', values: asked.values() });
    }
  }
}

function named(tensors: ReadonlyMap<string, Tensor>): Named[] {
  return [...tensors].map(([name, tensor]) => ({ name, shape: tensor.shape, values: () => tensor.dataSync() }));
}

function digestOf(values: Values): string {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return createHash('sha256').update(bytes).digest('hex');
}

/** Waits for the next question. @throws Error when the comparing process has exited */
async function nextQuestion(): Promise<Question> {
  return new Promise((resolve, reject) => {
    const gone = (): void => {
      reject(new Error('the process that compares the two runs has exited'));
    };
    process.once('disconnect', gone);
    process.once('message', (message) => {
      process.off('disconnect', gone);
      resolve(questionSchema.parse(message));
    });
  });
}
