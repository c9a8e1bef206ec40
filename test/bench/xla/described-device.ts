import { type ProgramMemory, programMemory } from '../../../plugins/engines/xla/pjrt/client.js';
import { compileOptions, type Flags, programOf } from '../../../plugins/engines/xla/pjrt/compiling.js';
import { namedValue, type PjrtPlugin } from '../../../plugins/engines/xla/pjrt/plugin.js';

/** Described devices of one machine: programs can be compiled for it and inspected, but not run. */
export class DescribedDevice {
  readonly #topology: bigint;

  /**
   * @param description GpuTargetConfigProto of each as text: cores, memory, rates
   * @param devices how many there are
   * @throws PjrtError where the plugin does not compile for described devices
   */
  constructor(
    private readonly plugin: PjrtPlugin,
    description: string,
    private readonly devices = 1,
  ) {
    // One process on one machine.
    const given = { topology: `1x1x${String(devices)}`, target_config: description };
    const options = Object.entries(given).map(([name, value]) => namedValue(name, value));
    const answer = plugin.call('TopologyDescription_Create', { options, optionCount: options.length });
    this.#topology = answer.get('topology');
  }

  /** Compiles for all of them. @param code as for `Client.compile` @throws PjrtError with what is wrong in it */
  compile(code: string, flags: Flags): CompiledCode {
    const options = compileOptions(flags, this.devices);
    const answer = this.plugin.call('Compile', {
      topology: this.#topology,
      program: programOf(code),
      options,
      optionsSize: options.length,
    });
    return new CompiledCode(this.plugin, answer.get('executable'));
  }
}

/** A compiled program that is not loaded on a device. */
export class CompiledCode {
  constructor(
    private readonly plugin: PjrtPlugin,
    private readonly executable: bigint,
  ) {}

  memory(): ProgramMemory {
    return programMemory(this.plugin, this.executable);
  }

  destroy(): void {
    this.plugin.call('Executable_Destroy', { executable: this.executable });
  }
}
