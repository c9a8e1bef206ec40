import { EspalierError } from '../../../core/index.js';
import { dtypeOf, type NumberType } from './kernel.js';
import type { DeviceBuffer, Executable } from './pjrt/client.js';
import { PjrtError } from './pjrt/plugin.js';
import type { Value } from './stablehlo/program.js';

/** absl::StatusCode::kResourceExhausted */
const OUT_OF_MEMORY = 8;

/** Form of a program's result. */
export interface Output {
  readonly dtype: NumberType;
  readonly shape: readonly number[];
}

/** A compiled program with the forms of its results. */
export class CompiledProgram {
  readonly outputs: readonly Output[];

  constructor(
    private readonly name: string,
    private readonly executable: Executable,
    outputs: readonly Value[],
  ) {
    this.outputs = outputs.map(({ shape, type }) => ({ shape, dtype: dtypeOf(type) }));
  }

  /** @throws EspalierError with XLA's message */
  run(inputs: readonly DeviceBuffer[]): DeviceBuffer[] {
    return explained(`XLA does not run ${this.name}`, () => this.executable.run(inputs, this.outputs.length));
  }

  destroy(): void {
    this.executable.destroy();
  }
}

/** @throws EspalierError instead of PjrtError, with advice if memory is exhausted */
export function explained<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof PjrtError)) throw thrown;
    const [line = ''] = thrown.message.split('\n');
    const remedy =
      thrown.code === OUT_OF_MEMORY
        ? ': the device’s memory is too small; set a smaller train.batch_size and a larger train.gradient_accumulation_steps'
        : '';
    throw new EspalierError('ESP_ENGINE', `${what}${remedy}: ${line}`, { cause: thrown });
  }
}
