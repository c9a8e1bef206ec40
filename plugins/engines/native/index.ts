import { z } from 'zod';
import {
  coresOfRank,
  Engine,
  inject,
  Logger,
  messageOf,
  On,
  Plugin,
  PluginConfig,
  Ranks,
  RunConfig,
  tf,
  type Bindings,
  type DropoutMask,
  type EngineProbe,
  type InstallRequest,
  type Mark,
  type RecordedKernels,
} from '../../../core/index.js';
import { registerOps } from '../../ops/contract.js';
import { autoPrecision } from './auto-precision.js';
import { buildHere } from './install.js';
import { FallbackWatch } from './fallbacks.js';
import { addonOrigin, loadBinding, type NativeBinding, type Variant } from './binding.js';
import { nativeBackend, registerNativeBackend } from './kernels/index.js';
import { missingAddon } from './missing.js';
import { recordKernels } from './recording.js';

const options = z
  .strictObject({
    threads: z
      .int()
      .min(1)
      .max(1024)
      .optional()
      .describe(
        'threads; as many cores as this process may use, shared with the other ranks on this machine, when not given; the results do not depend on it',
      ),
    variant: z
      .enum(['auto', 'amxbf16', 'avx512bf16', 'avx512', 'avx2', 'portable'])
      .default('auto')
      .describe('instruction set of the kernels; auto: the best that the processor has'),
  })
  .meta({ resume: 'warn' });

const WORTH_LARGE_PAGES = 2 ** 22;

@Plugin({
  name: 'engine-native',
  summary: 'Our own C++ kernels for CPUs, prebuilt or built when the package is installed.',
  slot: 'engine',
  rank: 10,
  config: options,
})
export default class NativeEngine implements Engine {
  static register(bindings: Bindings): void {
    bindings.bind(Engine, NativeEngine);
  }

  static probe(): EngineProbe {
    try {
      const variant = loadBinding().useVariant('');
      const detail = `${variant.name} kernels, ${addonOrigin()}`;
      return { works: true, detail, autoPrecision: autoPrecision(variant) };
    } catch (thrown) {
      return { works: false, detail: 'C++ kernels', ...missingAddon(messageOf(thrown)) };
    }
  }

  /** Builds the addon, for package managers that skip install scripts, or after installing a compiler. */
  static install(request: InstallRequest): Promise<void> {
    return buildHere(request, NativeEngine.probe());
  }

  readonly name = 'native';
  readonly precisions = ['f32', 'bf16'] as const;
  readonly backend: string;
  readonly description: string;

  readonly #binding: NativeBinding;
  readonly #variant: Variant;
  readonly #bf16: boolean;
  readonly #threads: number;
  readonly #fallbacks = new FallbackWatch();
  /** Memory in small pages, which slow down training. */
  readonly #smallPages: ArrayBuffer[] = [];

  constructor(
    @inject(PluginConfig) config: z.output<typeof options>,
    @inject(RunConfig) run: RunConfig,
    @inject(Ranks) ranks: Ranks,
    @inject(Logger) private readonly log: Logger,
  ) {
    this.#binding = loadBinding();
    this.#variant = this.#binding.useVariant(config.variant === 'auto' ? '' : config.variant);
    this.#bf16 = (run.precision === 'auto' ? autoPrecision(this.#variant) : run.precision) === 'bf16';
    this.#threads = config.threads ?? coresOfRank(ranks);
    this.backend = this.#bf16 ? 'native-bf16' : 'native';
    this.description = `${this.#variant.name} kernels, ${this.#bf16 ? 'bf16' : 'f32'}, ${String(this.#threads)} threads`;
  }

  @On('run:setup')
  async setUp(): Promise<void> {
    // Without this the cpu backend, whose kernels serve as fallbacks, prints an advertisement.
    tf.env().set('PROD', true);
    this.#binding.useVariant(this.#variant.name);
    this.#binding.setThreads(this.#threads);
    registerNativeBackend(this.backend, this.#binding, this.#bf16);
    await tf.setBackend(this.backend);
    registerOps(this.backend);
  }

  @On('iteration:start')
  watchStep(): void {
    this.#fallbacks.begin(nativeBackend(tf.findBackend(this.backend)));
  }

  /** One per iteration, so that the first batch does not wait for all pages. */
  @On('iteration:start')
  enlargePages(): void {
    const memory = this.#smallPages.shift();
    if (memory !== undefined) void this.#binding.useLargePages(memory);
  }

  /** Logs once which part of a step runs in JavaScript, if it is large. */
  @On('iteration:end')
  warnOfFallbacks(): void {
    const found = this.#fallbacks.end(nativeBackend(tf.findBackend(this.backend)));
    if (found !== undefined) this.log.warn(found);
  }

  record(
    inputs: readonly tf.Tensor[],
    masks: readonly DropoutMask[],
    compute: (mark: Mark) => tf.Tensor[],
    onMark: Mark,
  ): RecordedKernels {
    return recordKernels(nativeBackend(tf.findBackend(this.backend)), inputs, masks, compute, onMark);
  }

  takeOver(values: Float32Array, shape: number[]): tf.Tensor {
    const { buffer } = values;
    if (buffer instanceof ArrayBuffer && buffer.byteLength >= WORTH_LARGE_PAGES) this.#smallPages.push(buffer);
    return nativeBackend(tf.findBackend(this.backend)).takeOver(values, shape);
  }

  dispose(): void {
    this.#smallPages.length = 0;
  }
}
