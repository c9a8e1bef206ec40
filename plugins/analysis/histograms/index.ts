import type { Tensor } from '@tensorflow/tfjs-core';
import { z } from 'zod';
import {
  EventBus,
  inject,
  Model,
  On,
  Plugin,
  PluginConfig,
  RunConfig,
  type GradientsReady,
  type IterationEnd,
} from '../../../core/index.js';
import { histogramOf } from './histogram.js';

const options = z
  .strictObject({
    interval: z
      .int()
      .min(1)
      .default(250)
      .describe('iterations between histograms; also computed at the last iteration'),
    weights: z.boolean().default(true).describe('histograms of each weight, after the step'),
    gradients: z.boolean().default(true).describe('histograms of each gradient of the same iteration, before clipping'),
    buckets: z
      .int()
      .min(1)
      .max(1000)
      .default(64)
      .describe('number of buckets of equal width, from the smallest element to the largest'),
  })
  .meta({ resume: 'free' });

@Plugin({
  name: 'histograms',
  summary: 'Histograms of weights and gradients, for sinks such as tensorboard.',
  config: options,
  critical: false,
})
export default class Histograms {
  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(RunConfig) private readonly run: RunConfig,
    @inject(EventBus) private readonly bus: EventBus,
    @inject(Model) private readonly model: Model,
  ) {}

  @On('gradients:ready')
  async gradients({ iteration, gradients }: GradientsReady): Promise<void> {
    if (this.config.gradients && this.#isDue(iteration + 1)) await this.#publish(iteration + 1, 'gradients', gradients);
  }

  @On('iteration:end')
  async weights({ iteration }: IterationEnd): Promise<void> {
    const done = iteration + 1;
    if (this.config.weights && this.#isDue(done)) await this.#publish(done, 'weights', this.model.parameters());
  }

  #isDue(done: number): boolean {
    return done % this.config.interval === 0 || done === this.run.train.max_iters;
  }

  async #publish(iteration: number, kind: string, tensors: ReadonlyMap<string, Tensor>): Promise<void> {
    for (const [name, tensor] of tensors) {
      const spread = histogramOf(tensor.dataSync(), this.config.buckets);
      if (spread !== undefined) await this.bus.dispatch('histogram', { iteration, name: `${kind}/${name}`, ...spread });
    }
  }
}
