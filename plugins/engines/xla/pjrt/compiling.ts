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
 * Returns a CompileOptionsProto: one replica (4) and one partition (5) in executable_build_options (3), and flags (7).
 */
export function compileOptions(flags: Flags): Buffer {
  const overrides = Object.entries(flags).map(([name, value]) => {
    const set = typeof value === 'string' ? bytesField(1, Buffer.from(value)) : Buffer.from([0x10, value ? 1 : 0]);
    return bytesField(7, Buffer.concat([bytesField(1, Buffer.from(name)), bytesField(2, set)]));
  });
  return Buffer.concat([bytesField(3, Buffer.from([0x20, 1, 0x28, 1])), ...overrides]);
}

/** Returns a length-delimited protobuf field. */
function bytesField(number: number, bytes: Buffer): Buffer {
  const length: number[] = [];
  for (let left = bytes.length; ; left >>>= 7) {
    length.push(left < 128 ? left : (left & 127) | 128);
    if (left < 128) break;
  }
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), bytes]);
}
