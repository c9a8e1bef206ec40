/**
 * Memory layout of the structures of the PJRT C interface: pjrt_c_api.h of openxla/xla, version 0.106. Structures
 * grow at their ends and carry their size. A plugin rejects one that is shorter than its minimum for the function; the
 * sizes here are the minima of 0.106.
 */
export type FieldKind = 'pointer' | 'int';

const SIZES: Readonly<Record<FieldKind, number>> = { pointer: 8, int: 4 };

/** `struct_size` and `extension_start`, with which every structure begins. */
const HEAD = 16;

/** Fields of a structure after its head; `size_t` and `int64_t` have the size of a pointer. */
export class Layout<Field extends string> {
  readonly #places = new Map<string, { readonly offset: number; readonly kind: FieldKind }>();
  /** Returns the size in bytes, up to the end of the last field. */
  readonly size: number;

  constructor(fields: Readonly<Record<Field, FieldKind>>) {
    let end = HEAD;
    for (const [name, kind] of Object.entries<FieldKind>(fields)) {
      const offset = Math.ceil(end / SIZES[kind]) * SIZES[kind];
      this.#places.set(name, { offset, kind });
      end = offset + SIZES[kind];
    }
    this.size = end;
  }

  /** Returns the offset of a field. */
  place(field: Field): { readonly offset: number; readonly kind: FieldKind } {
    const place = this.#places.get(field);
    if (place === undefined) throw new Error(`the structure has no field ${field}`);
    return place;
  }
}

const pointer = 'pointer';
const int = 'int';
const text = { text: pointer, size: pointer } as const;

/** Argument structures of the functions used, by function name. */
export const calls = {
  Error_Destroy: new Layout({ error: pointer }),
  Error_Message: new Layout({ error: pointer, ...text }),
  Error_GetCode: new Layout({ error: pointer, code: int }),
  Plugin_Initialize: new Layout({}),
  Event_Destroy: new Layout({ event: pointer }),
  Event_Await: new Layout({ event: pointer }),
  Client_Create: new Layout({
    options: pointer,
    optionCount: pointer,
    getCallback: pointer,
    getArgument: pointer,
    putCallback: pointer,
    putArgument: pointer,
    client: pointer,
    tryGetCallback: pointer,
    tryGetArgument: pointer,
  }),
  Client_PlatformName: new Layout({ client: pointer, ...text }),
  Client_PlatformVersion: new Layout({ client: pointer, ...text }),
  Client_AddressableDevices: new Layout({ client: pointer, devices: pointer, count: pointer }),
  Client_Compile: new Layout({
    client: pointer,
    program: pointer,
    options: pointer,
    optionsSize: pointer,
    executable: pointer,
  }),
  Client_BufferFromHostBuffer: new Layout({
    client: pointer,
    data: pointer,
    type: int,
    dims: pointer,
    dimCount: pointer,
    strides: pointer,
    strideCount: pointer,
    semantics: int,
    device: pointer,
    memory: pointer,
    layout: pointer,
    done: pointer,
    buffer: pointer,
  }),
  DeviceDescription_Attributes: new Layout({ description: pointer, count: pointer, values: pointer }),
  DeviceDescription_Kind: new Layout({ description: pointer, ...text }),
  Device_GetDescription: new Layout({ device: pointer, description: pointer }),
  Executable_Destroy: new Layout({ executable: pointer }),
  Executable_Serialize: new Layout({ executable: pointer, ...text, serialized: pointer, destroy: pointer }),
  Executable_DeserializeAndLoad: new Layout({
    client: pointer,
    ...text,
    executable: pointer,
    options: pointer,
    optionsSize: pointer,
  }),
  LoadedExecutable_Destroy: new Layout({ executable: pointer }),
  LoadedExecutable_GetExecutable: new Layout({ loaded: pointer, executable: pointer }),
  LoadedExecutable_Execute: new Layout({
    executable: pointer,
    options: pointer,
    argumentLists: pointer,
    deviceCount: pointer,
    argumentCount: pointer,
    outputLists: pointer,
    events: pointer,
    device: pointer,
  }),
  Executable_GetCompiledMemoryStats: new Layout({
    executable: pointer,
    code: pointer,
    arguments: pointer,
    outputs: pointer,
    replaced: pointer,
    temporary: pointer,
    hostCode: pointer,
    hostArguments: pointer,
    hostOutputs: pointer,
    hostReplaced: pointer,
    hostTemporary: pointer,
    peak: pointer,
    total: pointer,
  }),
  TopologyDescription_Create: new Layout({
    name: pointer,
    nameSize: pointer,
    options: pointer,
    optionCount: pointer,
    topology: pointer,
  }),
  Compile: new Layout({
    topology: pointer,
    program: pointer,
    options: pointer,
    optionsSize: pointer,
    client: pointer,
    executable: pointer,
  }),
  Buffer_Destroy: new Layout({ buffer: pointer }),
  Buffer_ToHostBuffer: new Layout({ buffer: pointer, layout: pointer, data: pointer, size: pointer, event: pointer }),
} as const;

export type FunctionName = keyof typeof calls;

/** Structures that arguments point to. */
export const structures = {
  program: new Layout({ code: pointer, codeSize: pointer, format: pointer, formatSize: pointer }),
  namedValue: new Layout({ name: pointer, nameSize: pointer, type: int, value: pointer, valueSize: pointer }),
  executeOptions: new Layout({
    sendCallbacks: pointer,
    receiveCallbacks: pointer,
    sendCount: pointer,
    receiveCount: pointer,
    launch: int,
    keptInputs: pointer,
    keptInputCount: pointer,
    context: pointer,
    callLocation: pointer,
    taskCount: pointer,
    taskIds: pointer,
    incarnationIds: pointer,
  }),
} as const;

/** The functions of PJRT_Api in order, up to the last one used. */
const ORDER = [
  'Error_Destroy Error_Message Error_GetCode Plugin_Initialize Plugin_Attributes',
  'Event_Destroy Event_IsReady Event_Error Event_Await Event_OnReady',
  'Client_Create Client_Destroy Client_PlatformName Client_ProcessIndex Client_PlatformVersion Client_Devices',
  'Client_AddressableDevices Client_LookupDevice Client_LookupAddressableDevice Client_AddressableMemories',
  'Client_Compile Client_DefaultDeviceAssignment Client_BufferFromHostBuffer',
  'DeviceDescription_Id DeviceDescription_ProcessIndex DeviceDescription_Attributes DeviceDescription_Kind',
  'DeviceDescription_DebugString DeviceDescription_ToString',
  'Device_GetDescription Device_IsAddressable Device_LocalHardwareId Device_AddressableMemories',
  'Device_DefaultMemory Device_MemoryStats',
  'Memory_Id Memory_Kind Memory_DebugString Memory_ToString Memory_AddressableByDevices',
  'Executable_Destroy Executable_Name Executable_NumReplicas Executable_NumPartitions Executable_NumOutputs',
  'Executable_SizeOfGeneratedCodeInBytes Executable_GetCostAnalysis Executable_OutputMemoryKinds',
  'Executable_OptimizedProgram Executable_Serialize',
  'LoadedExecutable_Destroy LoadedExecutable_GetExecutable LoadedExecutable_AddressableDevices',
  'LoadedExecutable_Delete LoadedExecutable_IsDeleted LoadedExecutable_Execute',
  'Executable_DeserializeAndLoad LoadedExecutable_Fingerprint',
  'Buffer_Destroy Buffer_ElementType Buffer_Dimensions Buffer_UnpaddedDimensions Buffer_DynamicDimensionIndices',
  'Buffer_GetMemoryLayout Buffer_OnDeviceSizeInBytes Buffer_Device Buffer_Memory Buffer_Delete Buffer_IsDeleted',
  'Buffer_CopyToDevice Buffer_ToHostBuffer Buffer_IsOnCpu Buffer_ReadyEvent Buffer_UnsafePointer',
  'Buffer_IncreaseExternalReferenceCount Buffer_DecreaseExternalReferenceCount',
  'Buffer_OpaqueDeviceMemoryDataPointer',
  'CopyToDeviceStream_Destroy CopyToDeviceStream_AddChunk CopyToDeviceStream_TotalBytes',
  'CopyToDeviceStream_GranuleSize CopyToDeviceStream_CurrentBytes',
  'TopologyDescription_Create TopologyDescription_Destroy TopologyDescription_PlatformName',
  'TopologyDescription_PlatformVersion TopologyDescription_GetDeviceDescriptions TopologyDescription_Serialize',
  'TopologyDescription_Attributes Compile',
  'Executable_OutputElementTypes Executable_OutputDimensions Buffer_CopyToMemory Client_CreateViewOfDeviceBuffer',
  'Executable_Fingerprint Client_TopologyDescription Executable_GetCompiledMemoryStats',
].flatMap((names) => names.split(' '));

/** PJRT_Api begins with its head and PJRT_Api_Version: a head, then the major and the minor number. */
export const versionOffsets = { major: HEAD + HEAD, minor: HEAD + HEAD + 4 } as const;
const FIRST_FUNCTION = HEAD + HEAD + 8;

/** Returns the offset of a function pointer in PJRT_Api. */
export function functionOffset(name: FunctionName): number {
  return FIRST_FUNCTION + 8 * ORDER.indexOf(name);
}
