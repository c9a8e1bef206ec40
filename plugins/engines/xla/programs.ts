import { EspalierError } from '../../../core/index.js';
import { memoryAdvice, type Shortage } from './memory.js';
import type { Client, DeviceBuffer, Executable } from './pjrt/client.js';
import { PjrtError } from './pjrt/plugin.js';

/** absl::StatusCode::kResourceExhausted */
const OUT_OF_MEMORY = 8;

/** What a program computes. */
export interface Subject {
  /** For messages. */
  readonly name: string;
  /** Rows of the batch, where it computes one. */
  readonly rows?: number | undefined;
  /** Devices among which the rows are divided; 1 by default. */
  readonly devices?: number;
}

/** A compiled program, whose failures say what it computes and what to do. */
export class CompiledProgram {
  constructor(
    private readonly client: Pick<Client, 'freeMemory'>,
    private readonly subject: Subject,
    private readonly executable: Pick<Executable, 'run' | 'memory' | 'destroy'>,
    private readonly outputs: number,
  ) {}

  /** @throws EspalierError with XLA's message */
  run(inputs: readonly DeviceBuffer[]): DeviceBuffer[] {
    const run = (): DeviceBuffer[] => this.executable.run(inputs, this.outputs);
    return explained(`XLA does not run ${this.subject.name}`, run, () => this.#shortage());
  }

  destroy(): void {
    this.executable.destroy();
  }

  #shortage(): Shortage | undefined {
    try {
      const [{ rows, devices }, free] = [this.subject, this.client.freeMemory()];
      if (rows === undefined || free === undefined) return undefined;
      return { rows, devices, program: this.executable.memory(), free };
    } catch (thrown) {
      if (thrown instanceof PjrtError) return undefined;
      throw thrown;
    }
  }
}

/**
 * @param shortage what is known where the memory is too small
 * @throws EspalierError instead of PjrtError, with advice if memory is exhausted
 */
export function explained<T>(what: string, work: () => T, shortage: () => Shortage | undefined = () => undefined): T {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof PjrtError)) throw thrown;
    const [line = ''] = thrown.message.split('\n');
    const remedy = thrown.code === OUT_OF_MEMORY ? `: ${memoryAdvice(shortage())}` : '';
    throw new EspalierError('ESP_ENGINE', `${what}${remedy}: ${line}`, { cause: thrown });
  }
}
