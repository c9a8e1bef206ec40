import { UsageError } from '../../../core/errors.js';

/** A value in a config file of `key = value` lines. */
export type PythonValue = number | string | boolean | null;

/** A setting and its line number. */
export interface PythonSetting {
  readonly name: string;
  readonly value: PythonValue;
  readonly line: number;
}

/**
 * Reads a nanoGPT config file without executing it: lines `key = value`, where a value is a number, a string, True,
 * False, None, or arithmetic of numbers and earlier keys.
 * @throws UsageError naming file and line of anything else
 */
export function readPythonConfig(text: string, file: string): PythonSetting[] {
  const known = new Map<string, PythonValue>();
  const settings: PythonSetting[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = withoutComment(raw).trim();
    if (line === '' || /^(import|from)\s/.test(line)) continue;
    const [, name, expression = ''] = /^([A-Za-z_]\w*)\s*(?::\s*\w+\s*)?=(?!=)\s*(.+)$/.exec(line) ?? [];
    const where = `${file}:${String(index + 1)}`;
    if (name === undefined) throw unreadable(where, line, 'it is not `key = value`');
    const value = new Expression(expression, known, where).value();
    known.set(name, value);
    settings.push({ name, value, line: index + 1 });
  }
  return settings;
}

/** Removes a comment: a `#` outside quotes and what follows. */
function withoutComment(line: string): string {
  return /^(?:[^#'"]|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")*/.exec(line)?.[0] ?? line;
}

const TOKEN =
  /\s*(\d[\d_]*(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[A-Za-z_]\w*|\/\/|\*\*|[-+*/()])/y;

/** A recursive-descent parser for arithmetic: sums of products of powers. */
class Expression {
  readonly #tokens: string[] = [];
  #at = 0;

  constructor(
    private readonly text: string,
    private readonly known: ReadonlyMap<string, PythonValue>,
    private readonly where: string,
  ) {
    TOKEN.lastIndex = 0;
    while (text.slice(TOKEN.lastIndex).trim() !== '') {
      const token = TOKEN.exec(text)?.[1];
      if (token === undefined)
        throw this.#fail('only numbers, strings, True, False, None and arithmetic are supported');
      this.#tokens.push(token);
    }
  }

  value(): PythonValue {
    const value = this.#sum();
    if (this.#at < this.#tokens.length) throw this.#fail(`"${this.#tokens[this.#at] ?? ''}" is unexpected`);
    return value;
  }

  #sum(): PythonValue {
    let left = this.#product();
    for (let sign = this.#take('+', '-'); sign !== undefined; sign = this.#take('+', '-')) {
      const right = this.#number(this.#product());
      left = sign === '+' ? this.#number(left) + right : this.#number(left) - right;
    }
    return left;
  }

  #product(): PythonValue {
    let left = this.#power();
    for (let sign = this.#take('*', '/', '//'); sign !== undefined; sign = this.#take('*', '/', '//')) {
      const [a, b] = [this.#number(left), this.#number(this.#power())];
      left = sign === '*' ? a * b : sign === '/' ? a / b : Math.floor(a / b);
    }
    return left;
  }

  #power(): PythonValue {
    if (this.#take('-') !== undefined) return -this.#number(this.#power());
    const base = this.#atom();
    return this.#take('**') === undefined ? base : this.#number(base) ** this.#number(this.#power());
  }

  #atom(): PythonValue {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw this.#fail('it ends too early');
    if (token === '(') {
      const value = this.#sum();
      if (this.#take(')') === undefined) throw this.#fail('a bracket is not closed');
      return value;
    }
    if (/^[\d.]/.test(token)) return Number(token.replaceAll('_', ''));
    if (/^['"]/.test(token)) return token.slice(1, -1).replace(/\\(.)/g, '$1');
    if (token === 'True' || token === 'False') return token === 'True';
    if (token === 'None') return null;
    const value = this.known.get(token);
    if (value === undefined) throw this.#fail(`${token} is not defined before this line`);
    return value;
  }

  #take(...signs: string[]): string | undefined {
    const token = this.#tokens[this.#at];
    if (token === undefined || !signs.includes(token)) return undefined;
    this.#at++;
    return token;
  }

  #number(value: PythonValue): number {
    if (typeof value === 'number') return value;
    throw this.#fail(`${String(value)} is not a number`);
  }

  #fail(why: string): UsageError {
    return unreadable(this.where, this.text, why);
  }
}

function unreadable(where: string, text: string, why: string): UsageError {
  return new UsageError(
    'ESP_MIGRATE',
    `${where}: cannot read "${text}": ${why}. The file is read, not executed: write the literal value`,
  );
}
