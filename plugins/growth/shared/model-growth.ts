import {
  Dataset,
  Engine,
  Model,
  Optimizer,
  UsageError,
  inject,
  injectable,
  RandomStreams,
  RunState,
  useEngine,
} from '../../../core/index.js';
import { type ArchitectureFacts, Growable, type GrowthStep, ShrunkenVocabulary } from './growable.js';
import type { PlannedRun } from './operation.js';

/** Changes the shape of the run's model and carries the optimizer's state over. Inject it in operations. */
@injectable()
export class ModelGrowth {
  constructor(
    @inject(Growable, { isOptional: true }) private readonly growable: Growable | undefined,
    /** The shrunken vocabulary, if there is one. */
    @inject(ShrunkenVocabulary, { isOptional: true }) readonly vocabulary: ShrunkenVocabulary | undefined,
    @inject(Dataset, { isOptional: true }) private readonly data: Dataset | undefined,
    @inject(Engine) private readonly engine: Engine,
    @inject(Model) private readonly model: Model,
    @inject(Optimizer) private readonly optimizer: Optimizer,
    @inject(RandomStreams) private readonly streams: RandomStreams,
    @inject(RunState) private readonly state: RunState,
  ) {}

  /** Returns the shape and vocabulary that a schedule starts from. */
  initial(): Pick<PlannedRun, 'architecture' | 'vocabulary'> {
    const vocabSize = this.data === undefined || this.data.vocabSize === 0 ? undefined : this.data.vocabSize;
    return {
      architecture: this.growable?.initialArchitecture(vocabSize),
      vocabulary: this.vocabulary === undefined ? undefined : 'shrunken',
    };
  }

  /** Applies a step to a plan. @throws UsageError when it is impossible for the planned shape */
  plan(run: PlannedRun, step: GrowthStep): void {
    run.architecture = this.#growable().planned(run.architecture, step);
  }

  facts(architecture: unknown): ArchitectureFacts {
    return this.#growable().facts(architecture);
  }

  /** Applies a step to the model, whole or not at all. Call it between iterations. */
  apply(step: GrowthStep): void {
    useEngine(this.engine);
    const carries = this.#growable().grow(step, this.streams.stream('growth'));
    this.optimizer.prepare?.(this.model.parameters());
    this.optimizer.carry(carries);
    this.state.measuredAs({});
  }

  #growable(): Growable {
    if (this.growable !== undefined) return this.growable;
    throw new UsageError(
      'ESP_GROWTH',
      'the model of this run cannot change its shape: use model.use=gpt, or leave the step out',
    );
  }
}
