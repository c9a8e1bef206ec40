import { statSync } from 'node:fs';
import { cpus } from 'node:os';
import path from 'node:path';
import { compileOptions, type Flags, programOf } from './compiling.js';
import { structures } from './layout.js';
import { namedValue, type PjrtPlugin, Structure, wordOf } from './plugin.js';

/** Element types by their numbers in PJRT (PJRT_Buffer_Type). */
export const ELEMENT_TYPES = { bool: 1, int32: 4, float32: 11 } as const;
export type ElementType = keyof typeof ELEMENT_TYPES;

export type HostArray = Float32Array | Int32Array | Uint8Array;

/** Bytes of a program in the device's memory; `replaced` is the part of the outputs that reuses the arguments' memory. */
export type ProgramMemory = Readonly<Record<'arguments' | 'outputs' | 'replaced' | 'temporary', number>>;

/** @param executable not loaded @throws PjrtError if the plugin does not know */
export function programMemory(plugin: PjrtPlugin, executable: bigint): ProgramMemory {
  const found = plugin.call('Executable_GetCompiledMemoryStats', { executable });
  const of = (field: keyof ProgramMemory): number => Number(found.get(field));
  return {
    arguments: of('arguments'),
    outputs: of('outputs'),
    replaced: of('replaced'),
    temporary: of('temporary'),
  };
}

/** Facts about a client and its devices. */
export interface DeviceFacts {
  readonly platform: string;
  /** Version of the platform: names the library's build. */
  readonly version: string;
  /** Model name of the first device, which is used. */
  readonly deviceKind: string;
  /** Model names of all devices. */
  readonly deviceKinds: readonly string[];
  /** CUDA's compute capability, such as 8.9; 0 on other devices. */
  readonly capability: number;
}

/** A client of a plugin's devices; uses the first one. */
export class Client {
  protected constructor(
    readonly plugin: PjrtPlugin,
    readonly facts: DeviceFacts,
    private readonly client: bigint,
    private readonly device: bigint,
  ) {}

  /**
   * Opens the plugin's device, without reserving a GPU's whole memory, so that runs can share it.
   * @throws Error if it has none
   */
  static open(plugin: PjrtPlugin): Client {
    const options = /cuda|rocm/.test(path.basename(plugin.file)) ? [namedValue('preallocate', false)] : [];
    const client = plugin.call('Client_Create', { options, optionCount: options.length }).get('client');
    const list = plugin.call('Client_AddressableDevices', { client });
    if (list.get('count') === 0n) throw new Error(`${plugin.file} finds no device`);
    const [device = 0n, ...others] = Array.from({ length: Number(list.get('count')) }, (_, index) =>
      wordOf(list.get('devices') + BigInt(index * BigUint64Array.BYTES_PER_ELEMENT)),
    );
    const describe = (of: bigint): bigint => plugin.call('Device_GetDescription', { device: of }).get('description');
    const kindOf = (of: bigint): string =>
      plugin.text(plugin.call('DeviceDescription_Kind', { description: describe(of) }));
    const description = describe(device);
    const deviceKind = kindOf(device);
    const attributes = plugin.texts(plugin.call('DeviceDescription_Attributes', { description }));
    const facts = {
      platform: plugin.text(plugin.call('Client_PlatformName', { client })),
      version: plugin.text(plugin.call('Client_PlatformVersion', { client })),
      deviceKind,
      deviceKinds: [deviceKind, ...others.map(kindOf)],
      capability: Number.parseFloat(attributes.get('compute_capability') ?? '0'),
    };
    return new Client(plugin, facts, client, device);
  }

  /** Identifies what compiled programs depend on, besides code and flags. */
  get identity(): string {
    const { size, mtimeMs } = statSync(this.plugin.file);
    const { platform, version, deviceKind } = this.facts;
    const flags = process.env['XLA_FLAGS'];
    // A program for CPUs depends on the processor's instruction set.
    return JSON.stringify([size, mtimeMs, platform, version, deviceKind, this.plugin.version, cpus()[0]?.model, flags]);
  }

  /** @param code StableHLO text with a function `main` @throws PjrtError if it is invalid */
  compile(code: string, flags: Flags): Executable {
    const options = compileOptions(flags);
    const answer = this.plugin.call('Client_Compile', {
      client: this.client,
      program: programOf(code),
      options,
      optionsSize: options.length,
    });
    return new Executable(this.plugin, answer.get('executable'));
  }

  /** @param serialized result of `Executable.serialize` @throws PjrtError if the plugin rejects it */
  load(serialized: Buffer): Executable {
    const given = { client: this.client, text: serialized, size: serialized.length };
    const answer = this.plugin.call('Executable_DeserializeAndLoad', given);
    return new Executable(this.plugin, answer.get('executable'));
  }

  /** Returns the bytes of the device's memory not in use; undefined without a limit. @throws PjrtError if unknown */
  freeMemory(): number | undefined {
    const found = this.plugin.call('Device_MemoryStats', { device: this.device });
    return found.get('hasLimit') === 0n ? undefined : Number(found.get('limit') - found.get('inUse'));
  }

  /** Copies elements in row-major order to the device. */
  upload(values: HostArray, type: ElementType, shape: readonly number[]): DeviceBuffer {
    const answer = this.plugin.call('Client_BufferFromHostBuffer', {
      client: this.client,
      data: values,
      type: ELEMENT_TYPES[type],
      dims: BigInt64Array.from(shape, BigInt),
      dimCount: shape.length,
      device: this.device,
    });
    // The elements were copied during the call.
    this.plugin.call('Event_Destroy', { event: answer.get('done') });
    return new DeviceBuffer(this.plugin, answer.get('buffer'));
  }
}

/** Elements in the device's memory. */
export class DeviceBuffer {
  #buffer: bigint | undefined;

  constructor(
    private readonly plugin: PjrtPlugin,
    buffer: bigint,
  ) {
    this.#buffer = buffer;
  }

  /** @throws Error if it was destroyed */
  get address(): bigint {
    if (this.#buffer === undefined) throw new Error('a device buffer is used after it was destroyed');
    return this.#buffer;
  }

  /** Waits for the elements and copies them. @throws PjrtError if the program that computes them failed */
  read(into: HostArray): void {
    if (into.byteLength === 0) return;
    const answer = this.plugin.call('Buffer_ToHostBuffer', {
      buffer: this.address,
      data: into,
      size: into.byteLength,
    });
    const event = answer.get('event');
    try {
      this.plugin.call('Event_Await', { event });
    } finally {
      this.plugin.call('Event_Destroy', { event });
    }
  }

  /** Frees the memory once the programs that read it have run. */
  destroy(): void {
    if (this.#buffer === undefined) return;
    this.plugin.call('Buffer_Destroy', { buffer: this.#buffer });
    this.#buffer = undefined;
  }
}

/** A compiled program, loaded on the device. */
export class Executable {
  readonly #options = new Structure(structures.executeOptions);

  constructor(
    private readonly plugin: PjrtPlugin,
    private readonly executable: bigint,
  ) {}

  /** Starts the program without waiting for it; reading a result waits. @returns new buffers */
  run(inputs: readonly DeviceBuffer[], outputCount: number): DeviceBuffer[] {
    const given = BigUint64Array.from(inputs, ({ address }) => address);
    const made = new BigUint64Array(outputCount);
    this.plugin.call('LoadedExecutable_Execute', {
      executable: this.executable,
      options: this.#options,
      argumentLists: [given],
      deviceCount: 1,
      argumentCount: inputs.length,
      outputLists: [made],
    });
    return Array.from(made, (buffer) => new DeviceBuffer(this.plugin, buffer));
  }

  /** @throws PjrtError if the plugin does not know */
  memory(): ProgramMemory {
    return this.#described((executable) => programMemory(this.plugin, executable));
  }

  /** Returns the compiled program as bytes, for the same plugin and device. @throws PjrtError if unsupported */
  serialize(): Buffer {
    return this.#described((executable) => {
      const answer = this.plugin.call('Executable_Serialize', { executable });
      const bytes = this.plugin.bytes(answer);
      this.plugin.callBack(answer.get('destroy'), answer.get('serialized'));
      return bytes;
    });
  }

  #described<T>(use: (executable: bigint) => T): T {
    const loaded = this.executable;
    const executable = this.plugin.call('LoadedExecutable_GetExecutable', { loaded }).get('executable');
    try {
      return use(executable);
    } finally {
      this.plugin.call('Executable_Destroy', { executable });
    }
  }

  destroy(): void {
    this.plugin.call('LoadedExecutable_Destroy', { executable: this.executable });
  }
}
