import type { ChildProcess } from 'node:child_process';
import { firstDifference } from '../resume/difference.js';
import { momentSchema, valuesSchema, type Compared, type Moment, type Question, type Values } from './protocol.js';

/** The first tensor that differs between two runs. */
export interface Difference {
  readonly what: Compared;
  /** Counted from 1; 0: before the first iteration. */
  readonly iteration: number;
  readonly tensor: string;
  readonly shape: readonly number[];
  /** Position of the first element that differs, one index per axis. */
  readonly at: readonly number[];
  /** That element in each run. */
  readonly values: readonly [number, number];
  /** Number of elements that differ, and the largest difference. */
  readonly differing: number;
  readonly largest: number;
}

export interface LockstepResult {
  /** Iterations in which everything was equal. */
  readonly iterations: number;
  readonly difference: Difference | undefined;
}

/**
 * Runs two processes in lockstep: at each moment both wait until their values are compared.
 * @throws Error when a process exits too early, or the runs do different things
 */
export async function compareInLockstep(twins: readonly [Twin, Twin]): Promise<LockstepResult> {
  let iterations = 0;
  for (;;) {
    const [a, b] = await Promise.all([twins[0].next(), twins[1].next()]);
    if (a === undefined && b === undefined) return { iterations, difference: undefined };
    if (a?.what !== b?.what || a?.iteration !== b?.iteration) throw new Error(apart(a, b));
    if (a === undefined || b === undefined) throw new Error(apart(a, b));
    const difference = await differenceIn(a, b, twins);
    if (difference !== undefined) return { iterations, difference };
    if (a.what === 'weights') iterations = a.iteration;
    for (const twin of twins) twin.ask({ type: 'go' });
  }
}

/** One of the two processes. */
export class Twin {
  readonly #messages: unknown[] = [];
  #waiting: (() => void) | undefined;
  #ended: { readonly error: Error | undefined } | undefined;

  /** @param ended resolves when the process exits; rejected if it fails */
  constructor(
    private readonly process: ChildProcess,
    ended: Promise<void>,
  ) {
    process.on('message', (message: unknown) => {
      this.#messages.push(message);
      this.#waiting?.();
    });
    const end = (error?: Error): void => {
      this.#ended = { error };
      this.#waiting?.();
    };
    ended.then(() => {
      end();
    }, end);
  }

  /** Waits for the next moment; undefined when the run has ended. */
  async next(): Promise<Moment | undefined> {
    const message = await this.#receive();
    return message === undefined ? undefined : momentSchema.parse(message);
  }

  async values(name: string): Promise<Values> {
    this.ask({ type: 'values', name });
    return valuesSchema.parse(await this.#receive()).values;
  }

  ask(question: Question): void {
    this.process.send(question);
  }

  async #receive(): Promise<unknown> {
    while (this.#messages.length === 0) {
      if (this.#ended?.error !== undefined) throw this.#ended.error;
      if (this.#ended !== undefined) return undefined;
      await new Promise<void>((resolve) => (this.#waiting = resolve));
    }
    return this.#messages.shift();
  }
}

async function differenceIn(a: Moment, b: Moment, twins: readonly [Twin, Twin]): Promise<Difference | undefined> {
  const { what, iteration } = a;
  for (const [index, { name, shape, digest }] of a.tensors.entries()) {
    const other = b.tensors[index];
    if (other?.name !== name || String(other.shape) !== String(shape)) {
      const there = other === undefined ? 'nothing' : `${other.name} [${String(other.shape)}]`;
      throw new Error(
        `at the ${what} of iteration ${iteration}, one run has ${name} [${String(shape)}] and the other ${there}`,
      );
    }
    if (digest === other.digest) continue;
    const values = await Promise.all([twins[0].values(name), twins[1].values(name)]);
    const first = firstDifference(...values);
    // Digests also differ between two NaNs of different bits, which count as equal.
    if (first < 0) continue;
    return { what, iteration, tensor: name, shape, at: indicesOf(first, shape), ...extent(first, ...values) };
  }
  return undefined;
}

function extent(first: number, a: Values, b: Values): Pick<Difference, 'values' | 'differing' | 'largest'> {
  let [differing, largest] = [0, 0];
  a.forEach((value, i) => {
    const other = b[i] ?? NaN;
    if (Object.is(value, other)) return;
    differing++;
    const distance = Math.abs(value - other);
    largest = Number.isNaN(distance) ? Infinity : Math.max(largest, distance);
  });
  return { values: [a[first] ?? NaN, b[first] ?? NaN], differing, largest };
}

/** Returns an element's index on each axis, row-major. */
function indicesOf(element: number, shape: readonly number[]): number[] {
  let rest = element;
  return shape
    .toReversed()
    .map((size) => {
      const index = rest % size;
      rest = Math.floor(rest / size);
      return index;
    })
    .reverse();
}

function apart(a: Moment | undefined, b: Moment | undefined): string {
  const where = (moment: Moment | undefined): string =>
    moment === undefined ? 'at the end' : `at the ${moment.what} of iteration ${moment.iteration}`;
  return `the two runs diverge: one is ${where(a)}, the other ${where(b)}`;
}
