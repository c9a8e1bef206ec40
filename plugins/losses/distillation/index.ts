import { isDeepStrictEqual } from 'node:util';
import {
  ConfigPlaces,
  Dataset,
  Engine,
  inject,
  Logger,
  messageOf,
  Model,
  On,
  Plugin,
  PluginConfig,
  RunFolder,
  UsageError,
  type Bindings,
  type tf,
} from '../../../core/index.js';
import { type LossTerm, LossTerms, type TermPass } from '../contract.js';
import { openModel, type OpenModel } from '../../models/contract.js';
import { HardTargets } from './hard-targets.js';
import { distillationOptions, type DistillationOptions } from './options.js';
import { softTargetLosses } from './soft-targets.js';

const NAME = 'distillation';

/**
 * The loss is cross_entropy · CE + weight · T² · KL(teacher ‖ student).
 * Source: Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015.
 */
@Plugin({
  name: NAME,
  summary: 'Trains a model on the predictions of a larger, trained one.',
  config: distillationOptions,
  metrics: {
    'train/distillation': {
      unit: 'nats',
      what: 'mean divergence of the model from its teacher, times the squared temperature, over one iteration',
    },
    'train/distillation_targets': {
      unit: 'nats',
      what: 'mean cross-entropy with the targets, if `cross_entropy` of distillation is not 1',
    },
  },
})
export default class Distillation implements LossTerm {
  static register(bindings: Bindings): void {
    bindings.add(LossTerms, Distillation);
    bindings.add(LossTerms, HardTargets);
  }

  readonly name = NAME;
  readonly metric = 'train/distillation';
  readonly weight: number;
  #teacher: OpenModel | undefined;

  constructor(
    @inject(PluginConfig) private readonly config: DistillationOptions,
    @inject(Engine) private readonly engine: Engine,
    @inject(Model) private readonly student: Model,
    @inject(Dataset) private readonly data: Dataset,
    @inject(RunFolder) private readonly folder: RunFolder,
    @inject(ConfigPlaces) private readonly places: ConfigPlaces,
    @inject(Logger) private readonly log: Logger,
  ) {
    this.weight = config.weight;
  }

  @On('run:setup')
  async open(): Promise<void> {
    if (this.weight === 0) return;
    const { engine, log } = this;
    const { blockSize } = this.student;
    const cwd = this.folder.fromConfig('.');
    try {
      this.#teacher = await openModel(this.config.teacher, { cwd, engine, log, blockSize });
    } catch (thrown) {
      throw this.#refusal(messageOf(thrown), thrown);
    }
    const { model, path } = this.#teacher;
    if (model.blockSize < blockSize) {
      const windows = `${String(model.blockSize)} tokens, and the model's has ${String(blockSize)}`;
      throw this.#refusal(`the window of ${path} has ${windows}: lower model.block_size`);
    }
    log.info(`distillation: the teacher is ${path}`);
  }

  /** The vocabulary is known only when the model is built. */
  @On('run:start')
  check(): void {
    if (this.#teacher === undefined) return;
    this.#checkVocabulary(this.#teacher);
    const { tokenizer, path } = this.#teacher;
    const own = this.data.tokenizer?.state();
    if (tokenizer === undefined || own === undefined || isDeepStrictEqual(tokenizer, own)) return;
    throw this.#refusal(`${path} was trained with another tokenizer than the data uses, so their token ids differ`);
  }

  compute(pass: TermPass): tf.Scalar {
    const teacher = this.#teacher;
    if (teacher === undefined) throw new Error('the teacher is opened in run:setup');
    // A scaling schedule may have grown the student's vocabulary.
    this.#checkVocabulary(teacher);
    const { ids, tokens } = pass;
    if (tokens?.documents !== undefined && teacher.model.takesDocuments !== true) {
      throw this.#refusal(`batches have documents, but the model of ${teacher.path} does not support them`);
    }
    const expected = (): tf.Tensor3D => teacher.model.logits(ids, undefined, tokens);
    return pass.mean(softTargetLosses(pass.logits, expected, this.config.temperature));
  }

  async dispose(): Promise<void> {
    await this.#teacher?.dispose();
  }

  #checkVocabulary({ model, path }: OpenModel): void {
    const [theirs, own] = [model.vocabSize, this.student.vocabSize];
    if (theirs === own) return;
    throw this.#refusal(
      `the vocabulary of ${path} has ${String(theirs)} tokens, but the model's has ${String(own)}: they must be the same`,
    );
  }

  #refusal(what: string, cause?: unknown): UsageError {
    return new UsageError('ESP_DISTILLATION', `${this.places.key(['plugins', NAME, 'teacher'])}: ${what}`, { cause });
  }
}
