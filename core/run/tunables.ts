import { UsageError } from '../errors.js';

/** A number that a schedule may change during training; read `value` each time. */
export interface Tunable {
  readonly value: number;
}
export interface TunableRange {
  least: number;
  most?: number;
  /** Whole numbers only. */
  whole: boolean;
}
/** A tunable that differs from the config. */
export interface ChangedTunable {
  value: number;
  /** The config's value; missing in checkpoints of format 1. */
  configured?: number | undefined;
}
interface Cell {
  value: number;
  readonly initial: number;
  readonly range: TunableRange;
}

/** Numbers that may change during a run, by name; checkpoints save those that differ from the config. */
export class Tunables {
  readonly #cells = new Map<string, Cell>();

  /** Defines a number; called once by its owner, in its constructor. */
  define(name: string, initial: number, range: TunableRange): Tunable {
    const cell = { value: initial, initial, range };
    this.#cells.set(name, cell);
    return cell;
  }

  /** Returns every value by name. */
  values(): Map<string, number> {
    return new Map([...this.#cells].map(([name, { value }]) => [name, value]));
  }

  range(name: string): TunableRange {
    return this.#cell(name).range;
  }

  /** @throws UsageError if this run has no such number, or if the value is out of range */
  check(name: string, value: number): void {
    const { least, most = Infinity, whole } = this.#cell(name).range;
    if (Number.isFinite(value) && value >= least && value <= most && (!whole || Number.isSafeInteger(value))) return;
    const kind = whole ? 'a whole number' : 'a number';
    throw new UsageError(
      'ESP_TUNABLE',
      `${name} cannot be ${String(value)}: give ${kind} from ${String(least)}${most === Infinity ? '' : ` to ${String(most)}`}`,
    );
  }

  /** @throws UsageError as `check` does */
  set(name: string, value: number): void {
    this.check(name, value);
    this.#cell(name).value = value;
  }

  /** Returns those that differ from the config. */
  changed(): Record<string, ChangedTunable> {
    const changed = [...this.#cells].filter(([, { value, initial }]) => value !== initial);
    return Object.fromEntries(changed.map(([name, { value, initial }]) => [name, { value, configured: initial }]));
  }

  /** Restores what `changed` returned; a number whose config setting has changed since keeps the new setting. */
  restore(changed: Readonly<Record<string, ChangedTunable>>): void {
    for (const [name, cell] of this.#cells) {
      const was = changed[name];
      const asThen = was !== undefined && (was.configured ?? cell.initial) === cell.initial;
      cell.value = asThen ? was.value : cell.initial;
    }
  }

  #cell(name: string): Cell {
    const cell = this.#cells.get(name);
    if (cell === undefined) throw new UsageError('ESP_TUNABLE', `this run has no tunable named ${name}`);
    return cell;
  }
}
