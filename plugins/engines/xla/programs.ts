import { EspalierError } from '../../../core/index.js';
import { dtypeOf, type NumberType } from './kernel.js';
import type { DeviceBuffer, Executable } from './pjrt/client.js';
import { PjrtError } from './pjrt/plugin.js';
import type { Value } from './stablehlo/program.js';

/** absl::StatusCode::kResourceExhausted */
const OUT_OF_MEMORY = 8;

/** What a program makes. */
export interface Output {
  readonly dtype: NumberType;
  readonly shape: readonly number[];
}

/** A program that can be run. */
export class CompiledProgram {
  readonly outputs: readonly Output[];

  constructor(
    private readonly name: string,
    private readonly executable: Executable,
    outputs: readonly Value[],
  ) {
    this.outputs = outputs.map(({ shape, type }) => ({ shape, dtype: dtypeOf(type) }));
  }

  /** @throws EspalierError with what XLA says */
  run(inputs: readonly DeviceBuffer[]): DeviceBuffer[] {
    return explained(`XLA does not run ${this.name}`, () => this.executable.run(inputs, this.outputs.length));
  }

  destroy(): void {
    this.executable.destroy();
  }
}

/** @throws EspalierError in place of PjrtError, with what can be done where the memory is too small */
export function explained<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof PjrtError)) throw thrown;
    const [line = ''] = thrown.message.split('\n');
    const remedy =
      thrown.code === OUT_OF_MEMORY
        ? ': the device’s memory is too small; set a smaller batch_size, and a larger gradient_accumulation'
        : '';
    throw new EspalierError('ESP_ENGINE', `${what}${remedy}: ${line}`, { cause: thrown });
  }
}
