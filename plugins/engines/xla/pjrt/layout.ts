/**
 * Memory layout of the structures of the PJRT C interface: pjrt_c_api.h of openxla/xla, version 0.106. Structures
 * grow at their ends and carry their size. A plugin rejects one that is shorter than its minimum for the function; the
 * sizes here are the minima of 0.106.
 */
export type FieldKind = 'pointer' | 'int';

/** `struct_size` and `extension_start`, with which every structure begins. */
const HEAD = 16;

type Names<Words extends string> = Words extends `${infer First} ${infer Rest}`
  ? Names<First> | Names<Rest>
  : Words extends `${infer Name}:int`
    ? Name
    : Words;

/** Fields of a structure after its head. */
export class Layout<Field extends string> {
  readonly #places = new Map<string, { readonly offset: number; readonly kind: FieldKind }>();
  /** Returns the size in bytes, up to the end of the last field. */
  readonly size: number;

  /** @param fields their names, `NAME:int` for 4 bytes; `size_t` and `int64_t` have the size of a pointer */
  constructor(fields: string) {
    let end = HEAD;
    for (const [name = '', isInt] of fields.match(/\S+/g)?.map((field) => field.split(':')) ?? []) {
      const size = isInt === undefined ? 8 : 4;
      const offset = Math.ceil(end / size) * size;
      this.#places.set(name, { offset, kind: isInt === undefined ? 'pointer' : 'int' });
      end = offset + size;
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

function layout<Words extends string>(fields: Words): Layout<Names<Words>> {
  return new Layout(fields);
}

/** Argument structures of the functions used, by function name. */
export const calls = {
  Error_Destroy: layout('error'),
  Error_Message: layout('error text size'),
  Error_GetCode: layout('error code:int'),
  Plugin_Initialize: layout(''),
  Event_Destroy: layout('event'),
  Event_Await: layout('event'),
  Client_Create: layout(
    'options optionCount getCallback getArgument putCallback putArgument client tryGetCallback tryGetArgument',
  ),
  Client_PlatformName: layout('client text size'),
  Client_PlatformVersion: layout('client text size'),
  Client_AddressableDevices: layout('client devices count'),
  Client_Compile: layout('client program options optionsSize executable'),
  Client_BufferFromHostBuffer: layout(
    'client data type:int dims dimCount strides strideCount semantics:int device memory layout done buffer',
  ),
  DeviceDescription_Attributes: layout('description count values'),
  DeviceDescription_Kind: layout('description text size'),
  Device_GetDescription: layout('device description'),
  Device_MemoryStats: layout(
    'device inUse peak hasPeak allocations hasAllocations largest hasLargest limit hasLimit reserved hasReserved peakReserved hasPeakReserved reservable hasReservable largestFree hasLargestFree pool hasPool peakPool hasPeakPool',
  ),
  Executable_Destroy: layout('executable'),
  Executable_Serialize: layout('executable text size serialized destroy'),
  Executable_DeserializeAndLoad: layout('client text size executable options optionsSize'),
  LoadedExecutable_Destroy: layout('executable'),
  LoadedExecutable_GetExecutable: layout('loaded executable'),
  LoadedExecutable_Execute: layout(
    'executable options argumentLists deviceCount argumentCount outputLists events device',
  ),
  Executable_GetCompiledMemoryStats: layout(
    'executable code arguments outputs replaced temporary hostCode hostArguments hostOutputs hostReplaced hostTemporary peak total',
  ),
  TopologyDescription_Create: layout('name nameSize options optionCount topology'),
  Compile: layout('topology program options optionsSize client executable'),
  Buffer_Destroy: layout('buffer'),
  Buffer_CopyToDevice: layout('buffer device copy'),
  Buffer_ToHostBuffer: layout('buffer layout data size event'),
} as const;

export type FunctionName = keyof typeof calls;

/** Structures that arguments point to. */
export const structures = {
  program: layout('code codeSize format formatSize'),
  namedValue: layout('name nameSize type:int value valueSize'),
  executeOptions: layout(
    'sendCallbacks receiveCallbacks sendCount receiveCount launch:int keptInputs keptInputCount context callLocation taskCount taskIds incarnationIds',
  ),
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
