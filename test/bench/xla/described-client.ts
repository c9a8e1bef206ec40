import { Client, DeviceBuffer, Executable, type HostArray } from '../../../plugins/engines/xla/pjrt/client.js';
import type { Flags } from '../../../plugins/engines/xla/pjrt/compiling.js';
import { PjrtError, type PjrtPlugin } from '../../../plugins/engines/xla/pjrt/plugin.js';

/** absl::StatusCode::kUnimplemented */
const UNIMPLEMENTED = 12;

/** A program that the engine compiled. */
export interface GivenProgram {
  readonly code: string;
  readonly flags: Flags;
  /** How many devices run it. */
  readonly devices: number;
}

/**
 * A client of GPUs that are not there: it takes down which programs the engine has compiled, and which it runs. Whatever
 * they make is 0.
 */
export class DescribedClient extends Client {
  /** In order, since the list was last emptied. */
  readonly ran: GivenProgram[] = [];

  /** @param capability CUDA's compute capability, such as 8.9 */
  constructor(plugin: PjrtPlugin, capability: number, devices = 1) {
    const deviceKind = 'a described GPU';
    const facts = {
      platform: 'cuda',
      version: 'described',
      deviceKind,
      deviceKinds: Array<string>(devices).fill(deviceKind),
      capability,
    };
    super(plugin, facts, 0n, Array<bigint>(devices).fill(0n));
  }

  override compile(code: string, flags: Flags, devices = 1): Executable {
    const program = { code, flags, devices };
    return new NoExecutable(this.plugin, () => this.ran.push(program));
  }

  override upload(): DeviceBuffer {
    return new NoBuffer(this.plugin, [0n]);
  }
}

class NoExecutable extends Executable {
  constructor(
    private readonly of: PjrtPlugin,
    private readonly onRun: () => void,
  ) {
    super(of, 0n, [0n]);
  }

  override run(_inputs: readonly DeviceBuffer[], outputCount: number): DeviceBuffer[] {
    this.onRun();
    return Array.from({ length: outputCount }, () => new NoBuffer(this.of, [0n]));
  }

  override serialize(): Buffer {
    throw new PjrtError('it is not compiled', UNIMPLEMENTED);
  }

  override destroy(): void {
    // There is nothing to free.
  }
}

class NoBuffer extends DeviceBuffer {
  override read(into: HostArray): void {
    into.fill(0);
  }

  override destroy(): void {
    // There is nothing to free.
  }
}
