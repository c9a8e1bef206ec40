import type { DependencyContainer } from 'tsyringe';
import { Dataset, ShrunkenVocabulary } from '../contracts/data.js';
import { Engine } from '../contracts/engine.js';
import { Growable, type ArchitectureFacts, type GrowthStep } from '../contracts/growable.js';
import type { PlannedRun } from '../contracts/operation.js';
import { Optimizer } from '../contracts/optimizer.js';
import { UsageError } from '../errors.js';
import { RandomStreams } from '../random/streams.js';
import { boundTo } from './container.js';
import { RunState } from './state.js';
import { useEngine } from './use-engine.js';

/** Changes the shape of the run's model, and carries the optimizer's state along. Inject it in operations. */
export class ModelGrowth {
  constructor(private readonly container: DependencyContainer) {}

  /** What a schedule starts from. */
  initial(): Pick<PlannedRun, 'architecture' | 'vocabulary'> {
    const data = boundTo(this.container, Dataset);
    const vocabSize = data === undefined || data.vocabSize === 0 ? undefined : data.vocabSize;
    return {
      architecture: boundTo(this.container, Growable)?.initialArchitecture(vocabSize),
      vocabulary: this.vocabulary === undefined ? undefined : 'shrunken',
    };
  }

  /** @throws UsageError when the step is impossible there */
  plan(run: PlannedRun, step: GrowthStep): void {
    run.architecture = this.#growable().planned(run.architecture, step);
  }

  facts(architecture: unknown): ArchitectureFacts {
    return this.#growable().facts(architecture);
  }

  /** Between iterations. All or nothing. */
  apply(step: GrowthStep): void {
    useEngine(this.container.resolve(Engine));
    const random = this.container.resolve(RandomStreams).stream('growth');
    const carries = this.#growable().grow(step, random);
    this.container.resolve(Optimizer).carry(carries);
    this.container.resolve(RunState).valLoss = null;
  }

  /** The vocabulary that was shrunken, where one was. */
  get vocabulary(): ShrunkenVocabulary | undefined {
    return boundTo(this.container, ShrunkenVocabulary);
  }

  #growable(): Growable {
    const growable = boundTo(this.container, Growable);
    if (growable !== undefined) return growable;
    throw new UsageError(
      'ESP_GROWTH',
      'the model of this run cannot change its shape: use model.use=gpt, or leave the step out',
    );
  }
}
