import { z } from 'zod';
import {
  coresOfRank,
  Engine,
  inject,
  On,
  Plugin,
  PluginConfig,
  Ranks,
  tf,
  type Bindings,
  type EngineProbe,
} from '../../../core/index.js';
import { registerOps } from '../../ops/contract.js';

const options = z
  .strictObject({
    threads: z
      .int()
      .min(1)
      .max(1024)
      .optional()
      .describe(
        'threads; as many cores as this process may use, shared with the other ranks on this machine, when not given',
      ),
  })
  .meta({ resume: 'warn' });

@Plugin({
  name: 'engine-wasm',
  summary: 'WebAssembly with SIMD and threads: nothing to install.',
  slot: 'engine',
  rank: 80,
  config: options,
})
export default class WasmEngine implements Engine {
  static register(bindings: Bindings): void {
    bindings.bind(Engine, WasmEngine);
  }

  static probe(): EngineProbe {
    return { works: true, detail: `tfjs-backend-wasm ${tf.version_core}` };
  }

  readonly name = 'wasm';
  readonly backend = 'wasm';
  readonly description: string;

  readonly #threads: number;

  constructor(@inject(PluginConfig) config: z.output<typeof options>, @inject(Ranks) ranks: Ranks) {
    this.#threads = config.threads ?? coresOfRank(ranks);
    this.description = `tfjs-backend-wasm ${tf.version_core}, ${String(this.#threads)} threads`;
  }

  @On('run:setup')
  async setUp(): Promise<void> {
    // Imported here, because choosing an engine loads every engine's module.
    const { registerWasmKernels, setThreadsCount } = await import('./kernels/index.js');
    setThreadsCount(this.#threads);
    await startBackend(this.backend);
    await tf.setBackend(this.backend);
    registerWasmKernels();
    registerOps(this.backend);
  }
}

let starting: Promise<void> | undefined;

/**
 * Starts the backend once in this process, before tfjs is asked to make it current: while tfjs itself waits for a
 * backend, other runs in this process could not compute.
 */
function startBackend(name: string): Promise<void> {
  starting ??= start(name);
  return starting;
}

async function start(name: string): Promise<void> {
  const backend = await tf.findBackendFactory(name)();
  tf.removeBackend(name);
  tf.registerBackend(name, () => backend);
}
