import { isSection, pathKey, type ConfigPath } from '../../../core/runs.js';

/** Thrown for an exported value that a config cannot contain. */
export class CodeFault extends Error {
  constructor(
    /** Its path in the config; empty for the config itself. */
    readonly path: ConfigPath,
    message: string,
  ) {
    super(message);
    this.name = 'CodeFault';
  }
}

const MOST_VALUES = 100_000;
const DEEPEST = 100;

/**
 * Copies the value that a config file in code exports: maps, lists, text, finite numbers, booleans and null. Leaves out
 * keys that are undefined.
 * @throws CodeFault naming the key of any other value, or of one that contains itself
 */
export function plainSettings(exported: unknown): unknown {
  let values = 0;
  const open = new Map<object, ConfigPath>();
  const copy = (value: unknown, at: ConfigPath): unknown => {
    values++;
    if (values > MOST_VALUES) throw new CodeFault(at.slice(0, 3), `it holds more than ${String(MOST_VALUES)} values`);
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    const isList = Array.isArray(value);
    if (!isList && !isSection(value)) throw new CodeFault(at, whatItIs(value));
    const around = open.get(value);
    if (around !== undefined) {
      const whole = around.length === 0 ? 'the whole config' : `key ${pathKey(around)}`;
      throw new CodeFault(at, `it is ${whole}, which contains it: a config cannot contain itself`);
    }
    if (at.length >= DEEPEST) throw new CodeFault(at.slice(0, 3), `it is nested more than ${String(DEEPEST)} deep`);
    open.set(value, at);
    const items: readonly unknown[] = isList ? value : [];
    const plain = isList
      ? Array.from(items, (item, index) => copy(item, [...at, String(index)]))
      : Object.fromEntries(
          Object.entries(value)
            .filter(([, inner]) => inner !== undefined)
            .map(([key, inner]) => [key, copy(inner, [...at, key])]),
        );
    open.delete(value);
    return plain;
  };
  return copy(exported, []);
}

function whatItIs(value: unknown): string {
  switch (typeof value) {
    case 'bigint':
      return `it is the BigInt ${String(value)}n; write a number, ${String(value)}, or text in quotes`;
    case 'number':
      return `it is ${String(value)}; write a finite number`;
    case 'function':
      return /^class\b/.test(Function.prototype.toString.call(value))
        ? 'it is a class; write plain settings'
        : 'it is a function; call it, and write what it returns';
    case 'undefined':
      return 'it is undefined';
    case 'object':
      return value instanceof Promise
        ? 'it is a promise; write the resolved value'
        : `it is an object of the class ${className(value)}; write plain settings: maps, lists, text, numbers, booleans`;
    default:
      return `it is a ${typeof value}; write plain settings`;
  }
}

function className(value: unknown): string {
  const constructor: unknown =
    typeof value === 'object' && value !== null ? Reflect.get(value, 'constructor') : undefined;
  return typeof constructor === 'function' && constructor.name !== '' ? constructor.name : 'of no name';
}
