import { EventBus, inject, On, Plugin, PluginConfig, z, type IterationEnd } from 'espalier';

const options = z.strictObject({
  decay: z.number().min(0).lt(1).default(0.9).describe('share of the average that stays at each iteration'),
});

@Plugin({
  name: 'loss-average',
  summary: 'publishes a running average of the training loss',
  config: options,
  metrics: { 'loss/average': { unit: 'nats', what: 'running average of the training loss' } },
})
export default class LossAverage {
  private average: number | undefined;

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(EventBus) private readonly bus: EventBus,
  ) {}

  @On('iteration:end')
  async add({ iteration, loss }: IterationEnd): Promise<void> {
    const { decay } = this.config;
    this.average = this.average === undefined ? loss : decay * this.average + (1 - decay) * loss;
    await this.bus.dispatch('metrics', { iteration, values: { 'loss/average': this.average } });
  }

  state(): unknown {
    return this.average;
  }

  restore(state: unknown): void {
    this.average = typeof state === 'number' ? state : undefined;
  }
}
