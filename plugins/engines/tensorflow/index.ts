import { availableParallelism } from 'node:os';
import { z } from 'zod';
import {
  Engine,
  EspalierError,
  inject,
  messageOf,
  On,
  Plugin,
  PluginConfig,
  RunConfig,
  type Bindings,
  type EngineProbe,
  type InstallRequest,
} from '../../../core/index.js';
import { registerOps } from '../../ops/contract.js';
import { checkCopy } from './check.js';
import { findCopies, isForGpu } from './copies.js';
import { installTensorflow } from './install.js';
import { loadBackend, type LoadedTensorflow, type Manner } from './load.js';

const options = z
  .strictObject({
    threads: z
      .int()
      .min(1)
      .max(1024)
      .optional()
      .describe(
        'threads of one operation; as many as this process may use when not given; the first run of a process decides',
      ),
    compile: z
      .boolean()
      .default(true)
      .describe(
        'compile chains of operations of training and evaluation with XLA, on a CPU; each shape of the data takes some seconds once; the first run of a process decides',
      ),
  })
  .meta({ resume: 'warn' });

@Plugin({
  name: 'engine-tensorflow',
  summary: 'TensorFlow’s C library, from npm or made by `espalier engine install tensorflow`.',
  slot: 'engine',
  rank: 20,
  config: options,
})
export default class TensorflowEngine implements Engine {
  static register(bindings: Bindings): void {
    bindings.bind(Engine, TensorflowEngine);
  }

  static async probe(): Promise<EngineProbe> {
    const reasons: string[] = [];
    for (const copy of findCopies()) {
      const checked = await checkCopy(copy);
      if (checked.works) return checked;
      reasons.push(checked.detail);
    }
    return { works: false, detail: 'TensorFlow', why: reasons.length === 0 ? NOT_INSTALLED : reasons.join('; ') };
  }

  static mayHaveGpu(): boolean {
    return findCopies().some(isForGpu);
  }

  static async install(request: InstallRequest): Promise<void> {
    await installTensorflow(request);
  }

  readonly name = 'tensorflow';
  readonly backend = 'tensorflow';
  readonly precisions = ['f32', 'bf16'] as const;

  readonly #manner: Manner;
  readonly #compiles: boolean;
  #loaded: LoadedTensorflow | undefined;

  constructor(
    @inject(PluginConfig) config: z.output<typeof options>,
    @inject(RunConfig) { precision }: Pick<RunConfig, 'precision'>,
  ) {
    this.#compiles = config.compile;
    this.#manner = {
      threads: config.threads ?? availableParallelism(),
      precision: precision === 'bf16' ? 'bf16' : 'f32',
    };
  }

  get description(): string {
    if (this.#loaded === undefined) return 'TensorFlow';
    const { version, gpu, source } = this.#loaded;
    const { threads, precision } = this.#manner;
    return `TensorFlow ${version}, ${precision}, ${gpu ? 'GPU' : `${String(threads)} threads`} (${source})`;
  }

  @On('run:setup')
  async setUp(): Promise<void> {
    this.#loaded = await loadFirst(this.#manner);
    const { gpu, backend } = this.#loaded;
    // Imported here, because choosing an engine loads every engine's module.
    const { compiler } = await import('./compile.js');
    registerOps(this.backend, this.#compiles && !gpu ? compiler(backend) : undefined);
  }
}

const NOT_INSTALLED = 'TensorFlow is not installed: run `espalier engine install tensorflow`';

/** @throws EspalierError if no copy loads */
async function loadFirst(manner: Manner): Promise<LoadedTensorflow> {
  const reasons: string[] = [];
  for (const copy of findCopies()) {
    try {
      return await loadBackend(copy, manner);
    } catch (thrown) {
      reasons.push(`${copy.source}: ${messageOf(thrown)}`);
    }
  }
  throw new EspalierError(
    'ESP_ENGINE',
    reasons.length === 0 ? NOT_INSTALLED : `TensorFlow does not load: ${reasons.join('; ')}`,
  );
}
