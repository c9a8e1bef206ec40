/** Element types by their names in StableHLO. */
export type Element = 'f32' | 'bf16' | 'i32' | 'ui32' | 'ui8' | 'i1';

/** A value in a program. */
export interface Value {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: Element;
}

/** Shape and type of a result. */
export type Form = Pick<Value, 'shape' | 'type'>;

/** Elements of a constant; booleans as bytes. */
export type Elements = Float32Array | Int32Array | Uint8Array;

/**
 * A program as StableHLO text, written operation by operation in the generic form of MLIR.
 * Source: StableHLO specification, https://openxla.org/stablehlo/spec.
 */
export class Program {
  /** In their order. */
  readonly arguments: Value[] = [];
  /** Arguments of which each device has its rows. */
  readonly #divided = new Set<Value>();
  /** Written before all other operations, so that regions contain no constants. */
  #constantLines: string[] = [];
  #lines: string[] = [];
  #constants = new Map<string, Value>();
  #names = 0;
  #isOfOneDevice = false;

  /** @param devices how many devices run it; XLA divides the work among them (GSPMD) */
  constructor(readonly devices = 1) {}

  /** @param isDivided true if each device gets an equal part of the first axis; false if each gets all */
  argument({ shape, type }: Form, isDivided = false): Value {
    const value = this.#value({ shape, type });
    this.arguments.push(value);
    if (isDivided && this.devices > 1) this.#divided.add(value);
    return value;
  }

  /** Returns among how many devices an argument is divided. */
  partsOf(index: number): number {
    return this.#divided.has(at(this.arguments, index)) ? this.devices : 1;
  }

  /** Copies another program into this one, which is empty. */
  protected take(other: Program): void {
    this.arguments.push(...other.arguments);
    for (const value of other.#divided) this.#divided.add(value);
    this.#constantLines = [...other.#constantLines];
    this.#lines = [...other.#lines];
    this.#constants = new Map(other.#constants);
    this.#names = other.#names;
  }

  /** Returns a constant with the same number for every element. */
  constant(number: number, { shape, type }: Form): Value {
    return this.#constantOf(scalarText(number, type), { shape, type });
  }

  /** Returns a constant from numbers in row-major order. */
  constants(elements: Elements, { shape, type }: Form): Value {
    const [first = 0] = elements;
    if (elements.length === 0 || elements.every((element) => Object.is(element, first)))
      return this.constant(first, { shape, type });
    if (type === 'i1') {
      const truths = Array.from(elements, (element) => (element === 0 ? 'false' : 'true'));
      const flat = this.#constantOf(`[${truths.join(', ')}]`, { shape: [elements.length], type });
      return this.operation('reshape', [flat], { shape, type });
    }
    const bytes = Buffer.from(elements.buffer, elements.byteOffset, elements.byteLength);
    return this.#constantOf(`"0x${bytes.toString('hex').toUpperCase()}"`, { shape, type });
  }

  /**
   * An operation with one result.
   * @param attributes MLIR text without the braces
   * @param body region, from `region`
   */
  operation(name: string, operands: readonly Value[], form: Form, attributes = '', body = ''): Value {
    return at(this.operations(name, operands, [form], attributes, body), 0);
  }

  /** An operation with one result per form. */
  operations(
    name: string,
    operands: readonly Value[],
    forms: readonly Form[],
    attributes = '',
    body = '',
  ): readonly Value[] {
    const id = this.#name();
    const results = forms.map(({ shape, type }, index) => ({
      name: forms.length === 1 ? id : `${id}#${String(index)}`,
      shape,
      type,
    }));
    const left = forms.length === 1 ? id : `${id}:${String(forms.length)}`;
    const given = operands.map((operand) => operand.name).join(', ');
    const types = operands.map(typeOf).join(', ');
    const made = forms.length === 1 ? typeOf(at(results, 0)) : `(${results.map(typeOf).join(', ')})`;
    const dialect = name.includes('.') ? name : `stablehlo.${name}`;
    const region = body === '' ? '' : ` (${body})`;
    const manual = forms.length === 1 ? '{manual}' : `{${forms.map(() => '{manual}').join(', ')}}`;
    const all = [attributes, this.#isOfOneDevice ? sharding(manual) : ''].filter((text) => text !== '').join(', ');
    const list = all === '' ? '' : ` {${all}}`;
    this.#lines.push(`${left} = "${dialect}"(${given})${region}${list} : (${types}) -> ${made}`);
    return results;
  }

  /** A region of scalars, for operations that combine or compare elements. */
  region(types: readonly Element[], compute: (scalars: readonly Value[]) => Value): string {
    const scalars = types.map((type) => this.#value({ shape: [], type }));
    const outer = this.#lines.length;
    const result = compute(scalars);
    const lines = this.#lines.splice(outer);
    const given = scalars.map((scalar) => `${scalar.name}: ${typeOf(scalar)}`).join(', ');
    const last = `"stablehlo.return"(${result.name}) : (${typeOf(result)}) -> ()`;
    return `{ ^bb0(${given}): ${[...lines, last].join(' ')} }`;
  }

  /**
   * Operations that each device applies to its own rows, for those that XLA cannot divide.
   * @param operands divided by their first axis, like the results
   * @param forms of the results on all devices
   * @param compute is given one device's operands and forms
   */
  byRows(
    operands: readonly Value[],
    forms: readonly Form[],
    compute: (operands: readonly Value[], forms: readonly Form[]) => readonly Value[],
  ): readonly Value[] {
    const { devices } = this;
    if (devices === 1) return compute(operands, forms);
    const partOf = ({ shape, type }: Form): Form => ({ shape: shape.with(0, at(shape, 0) / devices), type });
    const call = (target: string, x: Value, form: Form, how: string): Value =>
      this.operation('custom_call', [x], form, `call_target_name = "${target}", ${sharding(how)}`);
    const own = operands.map((x) => {
      const divided = call('Sharding', x, x, rowsOf(x, devices));
      return call('SPMDFullToShardShape', divided, partOf(x), '{manual}');
    });
    this.#isOfOneDevice = true;
    const made = compute(own, forms.map(partOf));
    this.#isOfOneDevice = false;
    return made.map((y, index) => {
      const form = at(forms, index);
      return call('SPMDShardToFullShape', call('Sharding', y, y, '{manual}'), form, rowsOf(form, devices));
    });
  }

  /** Returns the whole program as text. @param replaced by argument index, the index of the output that reuses its memory */
  text(outputs: readonly Value[], replaced: ReadonlyMap<number, number> = new Map()): string {
    const isOnSeveral = this.devices > 1;
    const given = this.arguments.map((value, index) => {
      const output = replaced.get(index);
      const donated = output === undefined ? [] : [`tf.aliasing_output = ${String(output)} : i32`];
      const how = this.#divided.has(value) ? rowsOf(value, this.devices) : '{replicated}';
      const attributes = isOnSeveral ? [...donated, sharding(how)] : donated;
      return `${value.name}: ${typeOf(value)}${attributes.length === 0 ? '' : ` {${attributes.join(', ')}}`}`;
    });
    const types = outputs.map(typeOf).join(', ');
    const results = isOnSeveral
      ? outputs.map((output) => `${typeOf(output)} {${sharding('{replicated}')}}`).join(', ')
      : types;
    const names = outputs.map(({ name }) => name).join(', ');
    const partitions = isOnSeveral ? ` attributes {mhlo.num_partitions = ${String(this.devices)} : i32}` : '';
    return [
      `module @program${partitions} {`,
      `func.func public @main(${given.join(', ')}) -> (${results}) {`,
      ...this.#constantLines,
      ...this.#lines,
      `func.return ${names} : ${types}`,
      '} }',
    ].join('\n');
  }

  /** Type names, cached: programs have few different ones, which may be long. */
  #constantOf(text: string, form: Form): Value {
    const key = `${text} : ${typeOf(form)}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const value = this.#value(form);
    const type = typeOf(form);
    this.#constantLines.push(
      `${value.name} = "stablehlo.constant"() {value = dense<${text}> : ${type}} : () -> ${type}`,
    );
    this.#constants.set(key, value);
    return value;
  }

  #value({ shape, type }: Form): Value {
    return { name: this.#name(), shape, type };
  }

  #name(): string {
    return `%v${String(this.#names++)}`;
  }
}

/** @throws Error if the index is out of range */
export function at<T>(list: readonly T[], index: number): T {
  const element = list[index];
  if (element === undefined) throw new Error(`a list of ${String(list.length)} has no element ${String(index)}`);
  return element;
}

/** An attribute that says how XLA's partitioner lays out a value. */
function sharding(how: string): string {
  return `mhlo.sharding = "${how}"`;
}

/** Each device has an equal part of the first axis. */
function rowsOf({ shape }: Form, devices: number): string {
  const tiles = shape.map((_, axis) => (axis === 0 ? devices : 1));
  return `{devices=[${tiles.join()}]<=[${String(devices)}]}`;
}

/** `tensor<2x3xf32>` */
export function typeOf({ shape, type }: Form): string {
  return `tensor<${[...shape, type].join('x')}>`;
}

/** Writes floats as bits, so that no digit is lost. */
function scalarText(number: number, type: Element): string {
  if (type === 'i1') return number === 0 ? 'false' : 'true';
  if (type === 'i32') return String(number | 0);
  if (type === 'ui32' || type === 'ui8') return String(number >>> 0);
  if (type === 'bf16') throw new Error('constants are made as f32 and converted');
  const bits = Buffer.alloc(4);
  bits.writeFloatBE(number);
  return `0x${bits.toString('hex').toUpperCase()}`;
}
