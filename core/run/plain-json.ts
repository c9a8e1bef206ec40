/**
 * The first thing in a value that JSON would lose or change, with the way to it: `state.m is of class Map`. Undefined where
 * there is none. A property that is undefined is none: it is left out, and read as undefined.
 */
export function notPlain(value: unknown, path: string, above: ReadonlySet<object> = new Set()): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `${path} is ${String(value)}`;
  if (value === undefined || value === null || typeof value === 'string' || typeof value === 'boolean')
    return undefined;
  if (typeof value !== 'object') return `${path} is of type ${typeof value}`;
  if (above.has(value)) return `${path} holds itself`;
  const within = new Set(above).add(value);
  if (Array.isArray(value)) {
    for (const [index, element] of value.entries()) {
      const at = `${path}[${String(index)}]`;
      const wrong = element === undefined ? `${at} is undefined` : notPlain(element, at, within);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }
  if (!isPlainObject(value)) return `${path} is of class ${value.constructor.name}`;
  for (const [key, property] of Object.entries(value)) {
    const wrong = notPlain(
      property,
      /^[\w$]+$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`,
      within,
    );
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
