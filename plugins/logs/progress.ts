import cliProgress from 'cli-progress';
import { z } from 'zod';
import {
  Dataset,
  inject,
  Logger,
  Model,
  On,
  Plugin,
  PluginConfig,
  Terminal,
  type EvaluationBatch,
  type EvaluationEnd,
  type IterationEnd,
  type RunRollback,
  type RunStart,
} from '../../core/index.js';

const options = z
  .strictObject({
    interval: z.int().min(1).default(100).describe('iterations between plain lines, if the output is not a terminal'),
  })
  .meta({ resume: 'free' });

const BAR_WIDTH = 20;
/** Weight of the newest iteration in the smoothed iteration time. */
const SMOOTHING = 0.1;

@Plugin({
  name: 'progress',
  summary: 'Live progress on a terminal (iteration, loss, learning rate, tokens/s, time left), plain lines elsewhere.',
  config: options,
  after: ['evaluation'],
  critical: false,
})
export default class Progress {
  /** The status line of the last iteration. */
  #line: string | null = null;
  #last = 0;
  #lastTokens = 0;
  #tokensPerSecond = 0;
  #secondsPerIteration = 0;

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(Terminal) private readonly terminal: Terminal,
    @inject(Logger) private readonly log: Logger,
    @inject(Model) private readonly model: Model,
    @inject(Dataset) private readonly data: Dataset,
  ) {}

  @On('run:start')
  start({ state, maxIters }: RunStart): void {
    const parameters = this.model.parameterCounts().reduce((sum, { total }) => sum + total, 0);
    this.log.info(`data: ${this.data.description}`);
    this.log.info(`model: ${parameters.toLocaleString('en-US')} parameters; ${whatIsLeft(state.iteration, maxIters)}`);
    this.#last = performance.now();
    this.#lastTokens = state.tokens;
  }

  @On('iteration:end')
  show({ iteration, maxIters, loss, targets, learningRate, tokens }: IterationEnd): void {
    const now = performance.now();
    const seconds = Math.max(1e-6, (now - this.#last) / 1000);
    this.#secondsPerIteration = smoothed(this.#secondsPerIteration, seconds);
    this.#tokensPerSecond = smoothed(this.#tokensPerSecond, (tokens - this.#lastTokens) / seconds);
    this.#last = now;
    this.#lastTokens = tokens;
    const done = iteration + 1;
    const { live } = this.terminal;
    if (!live && done % this.config.interval !== 0 && done !== maxIters && done !== 1) return;
    const facts = [
      `iteration ${String(done)}/${String(maxIters)}`,
      targets === 0 ? 'no targets' : `loss ${loss.toFixed(4)}`,
      `lr ${learningRate.toExponential(2)}`,
      `${Math.round(this.#tokensPerSecond).toLocaleString('en-US')} tokens/s`,
      `${cliProgress.Format.TimeFormat(Math.round((maxIters - done) * this.#secondsPerIteration), { autopadding: false, autopaddingChar: '' }, 1)} left`,
    ].join('  ');
    if (!live) {
      this.log.info(facts);
      return;
    }
    this.#line = `${bar(done / maxIters)} ${facts}`;
    this.terminal.status(this.#line);
  }

  @On('evaluation:batch')
  showEvaluation({ what, done, of }: EvaluationBatch): void {
    if (!this.terminal.live) return;
    this.terminal.status(`${bar(done / of)} evaluating  ${what}, ${String(done)}/${String(of)}`);
  }

  @On('evaluation:end')
  logLosses({ iteration, losses }: EvaluationEnd): void {
    this.log.info(
      `iteration ${String(iteration)}: train loss ${losses.train.toFixed(4)}, val loss ${losses.val.toFixed(4)}`,
    );
    this.terminal.status(this.#line);
    this.#last = performance.now();
  }

  @On('run:rollback')
  goBack({ state }: RunRollback): void {
    this.#last = performance.now();
    this.#lastTokens = state.tokens;
  }

  @On('run:end')
  end(): void {
    this.terminal.status(null);
  }

  dispose(): void {
    this.terminal.status(null);
  }
}

function whatIsLeft(iteration: number, maxIters: number): string {
  if (iteration < maxIters) return `training from iteration ${String(iteration)} to ${String(maxIters)}`;
  return `nothing is left to train: train.max_iters is ${String(maxIters)}, and ${String(iteration)} iterations are done; --set train.max_iters=N continues to N`;
}

function smoothed(before: number, now: number): number {
  return before === 0 ? now : before + SMOOTHING * (now - before);
}

function bar(share: number): string {
  const full = Math.round(share * BAR_WIDTH);
  return '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full);
}
