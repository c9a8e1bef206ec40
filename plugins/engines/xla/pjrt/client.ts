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
  /** Model name of the first device. */
  readonly deviceKind: string;
  /** Model names of all devices. */
  readonly deviceKinds: readonly string[];
  /** CUDA's compute capability, such as 8.9; 0 on other devices. */
  readonly capability: number;
}

/** A client of a plugin's devices. Buffers and programs are on the first one, unless a number of devices is given. */
export class Client {
  protected constructor(
    readonly plugin: PjrtPlugin,
    readonly facts: DeviceFacts,
    private readonly client: bigint,
    private readonly devices: readonly bigint[],
  ) {}

  /**
   * Opens the plugin's devices, without reserving a GPU's whole memory, so that runs can share it.
   * @throws Error if it has none
   */
  static open(plugin: PjrtPlugin): Client {
    const options = /cuda|rocm/.test(path.basename(plugin.file)) ? [namedValue('preallocate', false)] : [];
    const client = plugin.call('Client_Create', { options, optionCount: options.length }).get('client');
    const list = plugin.call('Client_AddressableDevices', { client });
    if (list.get('count') === 0n) throw new Error(`${plugin.file} finds no device`);
    const devices = Array.from({ length: Number(list.get('count')) }, (_, index) =>
      wordOf(list.get('devices') + BigInt(index * BigUint64Array.BYTES_PER_ELEMENT)),
    );
    const describe = (of: bigint): bigint => plugin.call('Device_GetDescription', { device: of }).get('description');
    const kindOf = (of: bigint): string =>
      plugin.text(plugin.call('DeviceDescription_Kind', { description: describe(of) }));
    const [deviceKind = '', ...others] = devices.map(kindOf);
    const description = describe(devices[0] ?? 0n);
    const attributes = plugin.texts(plugin.call('DeviceDescription_Attributes', { description }));
    const facts = {
      platform: plugin.text(plugin.call('Client_PlatformName', { client })),
      version: plugin.text(plugin.call('Client_PlatformVersion', { client })),
      deviceKind,
      deviceKinds: [deviceKind, ...others],
      capability: Number.parseFloat(attributes.get('compute_capability') ?? '0'),
    };
    return new Client(plugin, facts, client, devices);
  }

  /** Identifies what compiled programs depend on, besides code and flags. */
  get identity(): string {
    const { size, mtimeMs } = statSync(this.plugin.file);
    const { platform, version, deviceKind } = this.facts;
    const flags = process.env['XLA_FLAGS'];
    // A program for CPUs depends on the processor's instruction set.
    return JSON.stringify([size, mtimeMs, platform, version, deviceKind, this.plugin.version, cpus()[0]?.model, flags]);
  }

  /**
   * @param code StableHLO text with a function `main`
   * @param devices how many devices run it, each a part
   * @throws PjrtError if it is invalid
   */
  compile(code: string, flags: Flags, devices = 1): Executable {
    const options = compileOptions(flags, devices);
    const answer = this.plugin.call('Client_Compile', {
      client: this.client,
      program: programOf(code),
      options,
      optionsSize: options.length,
    });
    return new Executable(this.plugin, answer.get('executable'), this.devices.slice(0, devices));
  }

  /** @param serialized result of `Executable.serialize` @throws PjrtError if the plugin rejects it */
  load(serialized: Buffer, devices = 1): Executable {
    const given = { client: this.client, text: serialized, size: serialized.length };
    const answer = this.plugin.call('Executable_DeserializeAndLoad', given);
    return new Executable(this.plugin, answer.get('executable'), this.devices.slice(0, devices));
  }

  /** Returns the bytes of the device's memory not in use; undefined without a limit. @throws PjrtError if unknown */
  freeMemory(): number | undefined {
    const found = this.plugin.call('Device_MemoryStats', { device: this.devices[0] ?? 0n });
    return found.get('hasLimit') === 0n ? undefined : Number(found.get('limit') - found.get('inUse'));
  }

  /**
   * Copies elements in row-major order to the device.
   * @param parts number of devices that get an equal part of the first axis each
   */
  upload(values: HostArray, type: ElementType, shape: readonly number[], parts = 1): DeviceBuffer {
    const size = values.length / parts;
    const partShape = parts === 1 ? shape : shape.with(0, (shape[0] ?? 0) / parts);
    const buffers = this.devices
      .slice(0, parts)
      .map((device, part) => this.#upload(values.subarray(part * size, (part + 1) * size), type, partShape, device));
    return new DeviceBuffer(this.plugin, buffers);
  }

  #upload(data: HostArray, type: ElementType, shape: readonly number[], device: bigint): bigint {
    const answer = this.plugin.call('Client_BufferFromHostBuffer', {
      client: this.client,
      data,
      type: ELEMENT_TYPES[type],
      dims: BigInt64Array.from(shape, BigInt),
      dimCount: shape.length,
      device,
    });
    // The elements were copied during the call.
    this.plugin.call('Event_Destroy', { event: answer.get('done') });
    return answer.get('buffer');
  }
}

/** Elements in the memory of the first device, of several devices, or in parts on several devices. */
export class DeviceBuffer {
  /** Each device's buffer, in the order of devices; none once destroyed. */
  readonly #buffers: bigint[];

  constructor(
    private readonly plugin: PjrtPlugin,
    buffers: readonly bigint[],
  ) {
    this.#buffers = [...buffers];
  }

  /** The buffer on the first device. @throws Error if it was destroyed */
  get address(): bigint {
    const [buffer] = this.#buffers;
    if (buffer === undefined) throw new Error('a device buffer is used after it was destroyed');
    return buffer;
  }

  /** Returns the buffer on each device, after copying it from the first to those without. @throws Error as `address` */
  on(devices: readonly bigint[]): readonly bigint[] {
    const buffer = this.address;
    for (const device of devices.slice(this.#buffers.length))
      this.#buffers.push(this.plugin.call('Buffer_CopyToDevice', { buffer, device }).get('copy'));
    return this.#buffers.slice(0, devices.length);
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
    for (const buffer of this.#buffers.splice(0)) this.plugin.call('Buffer_Destroy', { buffer });
  }
}

/** A compiled program, loaded on its devices. */
export class Executable {
  readonly #options = new Structure(structures.executeOptions);

  constructor(
    private readonly plugin: PjrtPlugin,
    private readonly executable: bigint,
    private readonly devices: readonly bigint[],
  ) {}

  /** Starts the program without waiting for it; reading a result waits. @returns new buffers, on all its devices */
  run(inputs: readonly DeviceBuffer[], outputCount: number): DeviceBuffer[] {
    const given = inputs.map((input) => input.on(this.devices));
    const made = this.devices.map(() => new BigUint64Array(outputCount));
    this.plugin.call('LoadedExecutable_Execute', {
      executable: this.executable,
      options: this.#options,
      argumentLists: this.devices.map((_, device) => BigUint64Array.from(given, (buffers) => buffers[device] ?? 0n)),
      deviceCount: this.devices.length,
      argumentCount: inputs.length,
      outputLists: made,
    });
    return Array.from({ length: outputCount }, (_, output) => {
      const buffers = made.map((ofDevice) => ofDevice[output] ?? 0n);
      return new DeviceBuffer(this.plugin, buffers);
    });
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
