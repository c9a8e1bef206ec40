import type { Column, MetricSummary } from '../page/protocol.js';
import { parsedJson } from './parsed.js';

const FIRST_CAPACITY = 1024;

/** The metrics of one file, one column each; takes 24 bytes per point. */
export class MetricColumns {
  readonly #columns = new Map<string, GrowingColumn>();
  /** Iterations and tokens of the newest line. */
  iteration = 0;
  tokens = 0;

  /** Adds a line of metrics.jsonl or timings.jsonl; ignores other lines. */
  add(line: string): void {
    const read = parsedJson(line);
    if (typeof read !== 'object' || read === null) return;
    const { iter, tokens, ...values }: Record<string, unknown> = { ...read };
    if (typeof iter !== 'number') return;
    this.iteration = iter;
    this.tokens = typeof tokens === 'number' ? tokens : this.tokens;
    for (const [name, value] of Object.entries(values)) {
      if (typeof value !== 'number' && value !== null) continue;
      let column = this.#columns.get(name);
      if (column === undefined) this.#columns.set(name, (column = new GrowingColumn()));
      column.push(iter, this.tokens, value ?? NaN);
    }
  }

  clear(): void {
    this.#columns.clear();
    this.iteration = 0;
    this.tokens = 0;
  }

  names(): string[] {
    return [...this.#columns.keys()];
  }

  column(name: string): Column | undefined {
    return this.#columns.get(name)?.view();
  }

  summaries(): Omit<MetricSummary, 'unit' | 'what'>[] {
    return [...this.#columns].map(([name, column]) => ({ name, ...column.summary() }));
  }
}

class GrowingColumn {
  #length = 0;
  #iterations = new Float64Array(FIRST_CAPACITY);
  #tokens = new Float64Array(FIRST_CAPACITY);
  #values = new Float64Array(FIRST_CAPACITY);
  #min = Infinity;
  #max = -Infinity;
  readonly #finite = { sum: 0, count: 0 };

  push(iteration: number, tokens: number, value: number): void {
    if (this.#length === this.#values.length) this.#grow();
    this.#iterations[this.#length] = iteration;
    this.#tokens[this.#length] = tokens;
    this.#values[this.#length] = value;
    this.#length++;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    if (!Number.isFinite(value)) return;
    this.#finite.sum += value;
    this.#finite.count++;
  }

  view(): { iterations: Float64Array; tokens: Float64Array; values: Float64Array } {
    const part = (array: Float64Array): Float64Array => array.subarray(0, this.#length);
    return { iterations: part(this.#iterations), tokens: part(this.#tokens), values: part(this.#values) };
  }

  summary(): Pick<MetricSummary, 'points' | 'last' | 'mean' | 'min' | 'max'> {
    const { sum, count } = this.#finite;
    const last = this.#values[this.#length - 1] ?? NaN;
    return {
      points: this.#length,
      last: finite(last),
      mean: finite(sum / count),
      min: finite(this.#min),
      max: finite(this.#max),
    };
  }

  #grow(): void {
    const doubled = (array: Float64Array): Float64Array<ArrayBuffer> => {
      const larger = new Float64Array(2 * array.length);
      larger.set(array);
      return larger;
    };
    this.#iterations = doubled(this.#iterations);
    this.#tokens = doubled(this.#tokens);
    this.#values = doubled(this.#values);
  }
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
