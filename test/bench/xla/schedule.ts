/** What a program makes a GPU do, counted in the schedule that XLA dumps (`…_gpu_after_optimizations.txt`). */
export interface Schedule {
  /** Matrix products with bfloat16 and with float32 operands. */
  readonly products: { readonly bf16: number; readonly f32: number };
  /** Calls of cuDNN's fused attention, forward and backward. */
  readonly attention: number;
  readonly loops: number;
  /** Fusions and other kernels besides products and attention. */
  readonly kernels: number;
  /** Multiplications and additions of the products. */
  readonly arithmetic: number;
  /** Bytes that kernels besides products and attention read and write: each operand and each result once. */
  readonly traffic: number;
  /** Every operation. */
  readonly operations: readonly Operation[];
}

interface Operation {
  readonly arithmetic: number;
  readonly bytes: number;
}

interface Instruction {
  readonly type: string;
  readonly name: string;
  readonly opcode: string;
  readonly operands: readonly string[];
  readonly line: string;
}

const BYTES: Readonly<Record<string, number>> = {
  ...{ pred: 1, s8: 1, u8: 1, bf16: 2, f16: 2, s16: 2, u16: 2 },
  ...{ f32: 4, s32: 4, u32: 4, f64: 8, s64: 8, u64: 8 },
};

/** Instructions that run no kernel. */
const FREE = new Set(['parameter', 'constant', 'bitcast', 'tuple', 'get-tuple-element']);

/** @param text HLO of a compiled module @throws Error if it has no entry */
export function scheduleOf(text: string): Schedule {
  const entry = text.slice(text.indexOf('\nENTRY ')).split('\n').slice(2);
  const instructions = entry.flatMap(instructionOf);
  if (instructions.length === 0) throw new Error('the dumped program has no entry');
  const types = new Map(instructions.map(({ name, type }) => [name, type]));
  const run = instructions.filter(({ opcode }) => !FREE.has(opcode));
  const products = run.filter(({ line }) => line.includes('custom_call_target="__cublas$'));
  const attention = run.filter(({ line }) => line.includes('custom_call_target="__cudnn$fmha'));
  const others = run.filter((each) => !products.includes(each) && !attention.includes(each));
  const typesOf = ({ operands }: Instruction): string[] => operands.map((operand) => typeOf(operand, types));
  const bytesOf = (each: Instruction): number =>
    [each.type, ...typesOf(each)].reduce((sum, type) => sum + bytesIn(type), 0);
  const isFull = (each: Instruction): boolean => typesOf(each)[0]?.startsWith('f32[') === true;
  const full = products.filter(isFull).length;
  const arithmetic = (each: Instruction): number => productOf(each, typesOf(each));
  return {
    products: { bf16: products.length - full, f32: full },
    attention: attention.length,
    loops: run.filter(({ opcode }) => opcode === 'while').length,
    kernels: others.length,
    arithmetic: products.reduce((sum, each) => sum + arithmetic(each), 0),
    traffic: others.reduce((sum, each) => sum + bytesOf(each), 0),
    operations: [
      ...products.map((each) => ({ arithmetic: arithmetic(each), bytes: bytesOf(each) })),
      ...attention.map((each) => ({ arithmetic: attentionOf(each, typesOf(each)), bytes: bytesOf(each) })),
      ...others.map((each) => ({ arithmetic: 0, bytes: bytesOf(each) })),
    ],
  };
}

/**
 * Returns the seconds that the operations take if each runs at the device's peak arithmetic or bandwidth, whichever is
 * slower.
 */
export function shortestTime({ operations }: Schedule, device: { flops: number; bandwidth: number }): number {
  return operations.reduce(
    (sum, { arithmetic, bytes }) => sum + Math.max(arithmetic / device.flops, bytes / device.bandwidth),
    0,
  );
}

function instructionOf(line: string): Instruction[] {
  const found = /^\s+(?:ROOT )?%([\w.-]+) = (.+?) ([\w-]+)\(([^)]*)\)/.exec(line);
  if (found === null) return [];
  const [, name = '', type = '', opcode = '', given = ''] = found;
  const operands = given.split(',').flatMap((operand) => /%([\w.#-]+)/.exec(operand)?.[1] ?? []);
  return [{ name, type, opcode, operands, line }];
}

/** `bf16[8,1024]`, of a tuple its element: `name#1`. */
function typeOf(operand: string, types: ReadonlyMap<string, string>): string {
  const [name = '', element] = operand.split('#');
  const type = types.get(name) ?? '';
  return element === undefined ? type : (arraysIn(type)[Number(element)] ?? '');
}

function arraysIn(type: string): string[] {
  return type.match(/\b[a-z]+\d*\[[\d,]*\]/g) ?? [];
}

function bytesIn(type: string): number {
  return arraysIn(type).reduce((sum, array) => {
    // A workspace does not count as traffic.
    const bytes = /^s8\[\d+\]$/.test(array) ? 0 : (BYTES[array.slice(0, array.indexOf('['))] ?? 0);
    return sum + bytes * product(sizesOf(array));
  }, 0);
}

function sizesOf(array: string): number[] {
  return (/\[([\d,]*)\]/.exec(array)?.[1] ?? '').split(',').filter(Boolean).map(Number);
}

function product(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all * each, 1);
}

/** Returns twice the elements of the result times the length of the sum. */
function productOf({ line, type }: Instruction, [first = '']: readonly string[]): number {
  const [result = ''] = arraysIn(type);
  const summed = /"lhs_contracting_dimensions":\["(\d+)"\]/.exec(line)?.[1];
  return 2 * product(sizesOf(result)) * (sizesOf(first)[Number(summed)] ?? 0);
}

/** Counts the unmasked half: two products of time by time forward, five backward. */
function attentionOf({ line }: Instruction, [queries = '']: readonly string[]): number {
  const [batch = 0, time = 0, heads = 0, headDim = 0] = sizesOf(queries);
  return (line.includes('Backward') ? 5 : 2) * batch * heads * time * time * headDim;
}
