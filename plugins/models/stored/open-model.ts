import {
  Engine,
  Plugin,
  pluginOptions,
  type Bindings,
  type Logger,
  type Model,
  type TokenizerState,
} from '../../../core/index.js';
import type { FoundPlugin, RunRequest } from '../../../core/runs.js';

/** A model with its weights, separate from the run's own. */
export interface OpenModel {
  readonly model: Model;
  /** Source of its weights. */
  readonly path: string;
  /** The tokenizer of its training data, if known. */
  readonly tokenizer: TokenizerState | undefined;
  /** Frees the weights. */
  dispose(): Promise<void>;
}

interface OpenRequest {
  /** Folder that the path is relative to. */
  readonly cwd: string;
  /** The run's engine, ready; the model computes with it. */
  readonly engine: Engine;
  readonly log: Logger;
  /** For a Hugging Face model: the context length to use. */
  readonly blockSize: number;
}

/**
 * Opens a model for inference: from a checkpoint, a run folder (its newest checkpoint) or a Hugging Face model, as in
 * `init`.
 * @throws UsageError if it does not exist or cannot be read
 */
export async function openModel(from: string, { cwd, engine, log, blockSize }: OpenRequest): Promise<OpenModel> {
  // Imported here, because every plugin imports this family's contract and few open models.
  const { composeRequest, makeRunFrom } = await import('../../../core/runs.js');
  const { openStoredRun } = await import('../../checkpoint/contract.js');
  const { findPretrained } = await import('../weights/choose.js');
  const plugin = sharing(engine);
  const { name } = plugin.options;
  const request: RunRequest = {
    cwd,
    classes: new Map([[name, plugin]]),
    only: ['engine', 'model'],
    inMemory: true,
    logger: log,
  };
  const settings = { init: from, engine: name, precision: 'auto', model: { block_size: blockSize } };
  const composed = await composeRequest({ ...request, configFile: false, code: [{ source: from, settings }] });
  const pretrained = await findPretrained(composed, { ...request, download: log.info.bind(log) });
  if (pretrained.read === undefined) {
    const set = [`engine=${name}`, 'precision=auto'];
    const { run, checkpoint } = await openStoredRun(from, ['engine', 'model'], { ...request, set });
    const tokenizer = checkpoint.state.tokenizer ?? undefined;
    return { model: run.model, path: checkpoint.path, tokenizer, dispose: () => run.dispose() };
  }
  const { run } = await makeRunFrom(pretrained.composed, request);
  try {
    // The model takes its vocabulary from its weights.
    await run.setUp(1, { loads: true });
    const weights = await pretrained.read(run.model);
    run.loadWeights(weights);
    return { model: run.model, path: weights.path, tokenizer: undefined, dispose: () => run.dispose() };
  } catch (thrown) {
    await run.dispose();
    throw thrown;
  }
}

/** Returns an engine plugin that shares another run's engine. */
function sharing(engine: Engine): FoundPlugin {
  @Plugin({ name: 'engine-of-the-run', summary: 'The engine of another run.', slot: 'engine' })
  class EngineOfTheRun implements Engine {
    static register(bindings: Bindings): void {
      bindings.bind(Engine, EngineOfTheRun);
    }

    readonly name = engine.name;
    readonly backend = engine.backend;
    readonly description = engine.description;
  }
  const options = pluginOptions(EngineOfTheRun);
  if (options === undefined) throw new Error('a decorated class has options');
  return { class: EngineOfTheRun, options, source: 'built-in' };
}
