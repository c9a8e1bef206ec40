import { structures } from './layout.js';
import { Structure } from './plugin.js';

/** XLA's own settings, by the names of DebugOptions, such as `xla_gpu_exclude_nondeterministic_ops`. */
export type Flags = Readonly<Record<string, boolean | string>>;

const FORMAT = Buffer.from('mlir');

/** Returns a PJRT_Program with StableHLO text. */
export function programOf(code: string): Structure<string> {
  const bytes = Buffer.from(code);
  return new Structure<string>(structures.program)
    .set('code', bytes)
    .set('codeSize', bytes.length)
    .set('format', FORMAT)
    .set('formatSize', FORMAT.length);
}

/**
 * Returns a CompileOptionsProto: one replica (4), partitions (5) and whether to divide the program among them (6) in
 * executable_build_options (3), and flags (7).
 * @param devices number of partitions
 */
export function compileOptions(flags: Flags, devices = 1): Buffer {
  const overrides = Object.entries(flags).map(([name, value]) => {
    const set = typeof value === 'string' ? bytesField(1, Buffer.from(value)) : Buffer.from([0x10, value ? 1 : 0]);
    return bytesField(7, Buffer.concat([bytesField(1, Buffer.from(name)), bytesField(2, set)]));
  });
  const build = [0x20, 1, 0x28, ...varint(devices), ...(devices > 1 ? [0x30, 1] : [])];
  return Buffer.concat([bytesField(3, Buffer.from(build)), ...overrides]);
}

/** Returns a length-delimited protobuf field. */
function bytesField(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...varint(bytes.length)]), bytes]);
}

function varint(number: number): number[] {
  return number < 128 ? [number] : [(number & 127) | 128, ...varint(number >>> 7)];
}
