import { z } from 'zod';
import {
  Engine,
  inject,
  Logger,
  messageOf,
  On,
  Plugin,
  PluginConfig,
  RunConfig,
  tf,
  type Bindings,
  type DropoutMask,
  type EngineProbe,
  type InstallRequest,
  type Mark,
  type RecordedKernels,
} from '../../../core/index.js';
import type { XlaBackend } from './backend.js';
import { autoPrecision, countDevices, describeDevice, openDevice } from './device.js';
import { findLibrary, isForGpu } from './find.js';
import { registerXlaBackend } from './kernels/index.js';
import { checkParity, hasParity } from './parity.js';
import { recordKernels } from './recording.js';

const LONG_MS = 1000;
const UNCHECKED = 'engine xla has a device here: `espalier doctor --parity` checks it, and then engine: auto takes it';

const options = z
  .strictObject({
    devices: z
      .union([z.int().min(1), z.literal('all')])
      .default(1)
      .describe(
        'devices of this machine that share each batch by rows; all: every device; train.batch_size must be a multiple',
      ),
  })
  .meta({ resume: 'warn' });

@Plugin({
  name: 'engine-xla',
  summary: 'XLA through a PJRT plugin: each kernel, and each recorded pass, is compiled for the device.',
  slot: 'engine',
  // After the engines that work everywhere, so that `engine: auto` does not choose it.
  rank: 95,
  config: options,
})
export default class XlaEngine implements Engine {
  static register(bindings: Bindings): void {
    bindings.bind(Engine, XlaEngine);
  }

  static probe(): EngineProbe {
    try {
      const device = openDevice();
      const answer = { works: true, detail: describeDevice(device), autoPrecision: autoPrecision(device) };
      if (device.facts.platform === 'cpu') return answer;
      return hasParity(device) ? { ...answer, gpu: true } : { ...answer, advice: UNCHECKED };
    } catch (thrown) {
      return { works: false, detail: 'XLA', why: messageOf(thrown) };
    }
  }

  static mayHaveGpu(): boolean {
    return isForGpu(findLibrary());
  }

  static async install(request: InstallRequest): Promise<void> {
    // Imported here, because choosing an engine loads every engine's module.
    const { installXla } = await import('./install/install.js');
    await installXla(request);
  }

  static checkParity(): Promise<string> {
    return checkParity();
  }

  readonly name = 'xla';
  readonly defers = true;
  readonly precisions = ['f32', 'bf16'] as const;
  readonly backend: string;
  readonly description: string;

  readonly #precision: 'f32' | 'bf16';
  readonly #devices: number;
  #isUndividedReported = false;
  #xla: XlaBackend | undefined;

  constructor(
    @inject(PluginConfig) config: z.output<typeof options>,
    @inject(RunConfig) { precision, train }: Pick<RunConfig, 'precision' | 'train'>,
    @inject(Logger) private readonly log: Logger,
  ) {
    const device = openDevice();
    this.#precision = precision === 'auto' ? autoPrecision(device) : precision;
    this.#devices = countDevices(device, config.devices, train.batch_size);
    const ofPrecision = this.#precision === 'bf16' ? 'xla-bf16' : 'xla';
    this.backend = this.#devices === 1 ? ofPrecision : `${ofPrecision}-${String(this.#devices)}`;
    this.description = `${describeDevice(device, this.#devices)}, ${this.#precision}`;
  }

  @On('run:setup')
  async setUp(): Promise<void> {
    // Without this, the cpu backend, whose kernels fill in for missing ones, prints an advertisement.
    tf.env().set('PROD', true);
    this.#xla = registerXlaBackend(this.backend, openDevice(), this.#precision, this.#devices);
    this.#xla.compiler.onCompiled = (name, milliseconds) => {
      if (milliseconds >= LONG_MS) this.log.info(`compiled ${name} in ${(milliseconds / LONG_MS).toFixed(1)} s`);
    };
    await tf.setBackend(this.backend);
  }

  record(
    inputs: readonly tf.Tensor[],
    masks: readonly DropoutMask[],
    compute: (mark: Mark) => tf.Tensor[],
    onMark: Mark,
  ): RecordedKernels {
    if (this.#xla === undefined) throw new Error('the engine is not set up');
    this.#reportUndivided(inputs[0]?.shape[0] ?? 0);
    return recordKernels(this.#xla, inputs, masks, compute, onMark);
  }

  /** Warns once about a batch that the devices cannot share, after a change of its size. */
  #reportUndivided(rows: number): void {
    if (rows % this.#devices === 0 || this.#isUndividedReported) return;
    this.#isUndividedReported = true;
    this.log.warn(
      `a batch of ${String(rows)} cannot be shared equally by ${String(this.#devices)} devices: the first computes it alone`,
    );
  }
}
