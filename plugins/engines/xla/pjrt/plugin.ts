import koffi from 'koffi';
import { calls, functionOffset, type FunctionName, type Layout, structures, versionOffsets } from './layout.js';

/** Major version of PJRT_Api; it grows on incompatible changes. */
const MAJOR = 0;

/**
 * A number, an address, memory to point to, or a list: of memory, becoming an array of addresses, or of structures,
 * becoming an array of them.
 */
type FieldValue =
  | bigint
  | number
  | NodeJS.ArrayBufferView
  | Structure<string>
  | readonly (NodeJS.ArrayBufferView | Structure<string>)[];

type Fields<Name extends FunctionName> = (typeof calls)[Name] extends Layout<infer Field> ? Field : never;

/** A structure in memory, with the memory it points to. */
export class Structure<Field extends string> {
  readonly #bytes: Buffer;
  /** Memory it points to, which must not be collected before the call ends. */
  readonly #held: unknown[] = [];

  constructor(private readonly layout: Layout<Field>) {
    this.#bytes = Buffer.alloc(layout.size);
    this.#bytes.writeBigUInt64LE(BigInt(layout.size), 0);
  }

  get address(): bigint {
    return koffi.address(this.#bytes);
  }

  /** Sets a field, and keeps the memory it points to alive. */
  set(field: Field, value: FieldValue): this {
    const { offset, kind } = this.layout.place(field);
    const word = this.#wordOf(value);
    if (kind === 'int') this.#bytes.writeInt32LE(Number(word), offset);
    else this.#bytes.writeBigUInt64LE(word, offset);
    return this;
  }

  /** Returns a field's address or number. */
  get(field: Field): bigint {
    const { offset, kind } = this.layout.place(field);
    return kind === 'int' ? BigInt(this.#bytes.readInt32LE(offset)) : this.#bytes.readBigUInt64LE(offset);
  }

  #wordOf(value: FieldValue): bigint {
    if (typeof value === 'bigint') return value;
    if (typeof value === 'number') return BigInt(value);
    this.#held.push(value);
    if (value instanceof Structure) return value.address;
    if (ArrayBuffer.isView(value)) return koffi.address(value);
    const structures = value.filter((each) => each instanceof Structure);
    if (structures.length > 0) return this.#wordOf(Buffer.concat(structures.map((structure) => structure.#bytes)));
    const addresses = value.map((each) => (each instanceof Structure ? each.address : koffi.address(each)));
    return this.#wordOf(BigUint64Array.from(addresses));
  }
}

/** An error returned by a plugin, with XLA's own message. */
export class PjrtError extends Error {
  /** @param code of absl::Status: 8 is resource exhausted, 12 unimplemented */
  constructor(
    message: string,
    readonly code: number,
  ) {
    super(message);
    this.name = 'PjrtError';
  }
}

/** A PJRT plugin: a shared library with `GetPjrtApi`. */
export class PjrtPlugin {
  readonly version: string;
  readonly #api: bigint;
  readonly #functions = new Map<FunctionName, bigint>();

  /** Loads the library until the process ends. @throws Error if it is not a plugin, or has another major version */
  constructor(readonly file: string) {
    // Otherwise the CPU plugin prints a screenful per loaded program; errors are returned anyway.
    process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '3';
    const getApi: () => unknown = koffi.load(file).func('GetPjrtApi', 'void *', []);
    keepLoaded(file);
    this.#api = addressOf(getApi());
    const [major, minor] = [versionOffsets.major, versionOffsets.minor].map((offset): unknown =>
      koffi.decode(this.#api, offset, 'int'),
    );
    this.version = `${String(major)}.${String(minor)}`;
    if (major !== MAJOR) throw new Error(`${file} has PJRT ${this.version}; version ${String(MAJOR)} is needed`);
    this.call('Plugin_Initialize', {});
  }

  /**
   * Calls a function with the given arguments; the others are 0.
   * @returns its argument structure, which holds the results
   * @throws PjrtError with the plugin's message
   */
  call<Name extends FunctionName>(
    name: Name,
    values: Readonly<Partial<Record<Fields<Name>, FieldValue>>>,
  ): Structure<string> {
    const layout: Layout<string> = calls[name];
    const args = new Structure(layout);
    for (const [field, value] of Object.entries<FieldValue | undefined>(values))
      if (value !== undefined) args.set(field, value);
    const error: unknown = koffi.call(this.#functionOf(name), WITHOUT_ERROR.has(name) ? VOID : SIGNATURE, args.address);
    if (typeof error === 'bigint' && error !== 0n) throw this.#errorOf(error);
    return args;
  }

  /** Reads a string from a returned structure. */
  text(answer: Structure<string>): string {
    return textAt(answer.get('text'), answer.get('size'));
  }

  /** Reads the string values among returned named values. */
  texts(answer: Structure<string>): ReadonlyMap<string, string> {
    const { size } = structures.namedValue;
    const all = Array.from({ length: Number(answer.get('count')) }, (_, index) => {
      const wordAt = (field: 'name' | 'nameSize' | 'type' | 'value' | 'valueSize'): bigint =>
        wordOf(answer.get('values') + BigInt(index * size + structures.namedValue.place(field).offset));
      return { isText: Number(wordAt('type') & 0xffff_ffffn) === TEXT, wordAt };
    });
    return new Map(
      all
        .filter(({ isText }) => isText)
        .map(({ wordAt }) => [
          textAt(wordAt('name'), wordAt('nameSize')),
          textAt(wordAt('value'), wordAt('valueSize')),
        ]),
    );
  }

  /** Copies bytes from a returned structure. */
  bytes(answer: Structure<string>): Buffer {
    return Buffer.from(Buffer.from(koffi.view(answer.get('text'), Number(answer.get('size')))));
  }

  /** Calls a returned function pointer with one address. */
  callBack(address: bigint, argument: bigint): void {
    koffi.call(address, VOID, argument);
  }

  #functionOf(name: FunctionName): bigint {
    const known = this.#functions.get(name);
    if (known !== undefined) return known;
    const found = addressOf(koffi.decode(this.#api, functionOffset(name), 'void *'));
    this.#functions.set(name, found);
    return found;
  }

  #errorOf(error: bigint): PjrtError {
    const message = this.text(this.call('Error_Message', { error }));
    const code = Number(this.call('Error_GetCode', { error }).get('code'));
    this.call('Error_Destroy', { error });
    return new PjrtError(message, code);
  }
}

/** PJRT_NamedValue_Type of strings and booleans. */
const TEXT = 0;
const TRUTH = 4;

/** Returns a PJRT_NamedValue. */
export function namedValue(name: string, value: string | boolean): Structure<string> {
  const [key, text] = [Buffer.from(name), typeof value === 'string' ? Buffer.from(value) : undefined];
  return new Structure<string>(structures.namedValue)
    .set('name', key)
    .set('nameSize', key.length)
    .set('type', text === undefined ? TRUTH : TEXT)
    .set('value', text ?? Number(value))
    .set('valueSize', text?.length ?? 1);
}

/** Functions that return void; all others return an error or null. */
const WITHOUT_ERROR: ReadonlySet<FunctionName> = new Set(['Error_Destroy', 'Error_Message']);
const SIGNATURE = koffi.proto('void *', ['void *']);
const VOID = koffi.proto('void', ['void *']);

/**
 * Keeps the library open: koffi closes it when its handle is collected or Node exits, while the plugin's threads still
 * run.
 */
function keepLoaded(file: string): void {
  const LAZY = 1;
  const open: (file: string, flags: number) => unknown = koffi.load(null).func('dlopen', 'void *', ['str', 'int']);
  open(file, LAZY);
}

/** Reads 8 bytes of the plugin's memory. */
export function wordOf(address: bigint): bigint {
  const word: unknown = koffi.decode(address, 'uint64_t');
  return typeof word === 'bigint' ? word : BigInt(Number(word));
}

function textAt(address: bigint, size: bigint): string {
  return String(koffi.decode(address, koffi.array('char', Number(size), 'String')));
}

function addressOf(pointer: unknown): bigint {
  if (typeof pointer === 'bigint') return pointer;
  throw new Error('the plugin gave no address');
}
