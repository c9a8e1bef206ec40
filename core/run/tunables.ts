import { UsageError } from '../errors.js';

/** A number that the schedule may change while the run trains; read `value` each time. */
export interface Tunable {
  readonly value: number;
}
export interface TunableRange {
  least: number;
  /** Whole numbers only. */
  whole: boolean;
}
interface Cell {
  value: number;
  readonly initial: number;
  readonly range: TunableRange;
}

/** Numbers that change during a run, by name; those that differ from the config are in every checkpoint. */
export class Tunables {
  readonly #cells = new Map<string, Cell>();

  /** Called once by the owner of the number, in its constructor. */
  define(name: string, initial: number, range: TunableRange): Tunable {
    const cell = { value: initial, initial, range };
    this.#cells.set(name, cell);
    return cell;
  }

  /** Every value by name. */
  values(): Map<string, number> {
    return new Map([...this.#cells].map(([name, { value }]) => [name, value]));
  }

  range(name: string): TunableRange {
    return this.#cell(name).range;
  }

  /** @throws UsageError when this run has no such number, or it may not be that */
  check(name: string, value: number): void {
    const { least, whole } = this.#cell(name).range;
    if (Number.isFinite(value) && value >= least && (!whole || Number.isSafeInteger(value))) return;
    const kind = whole ? 'a whole number' : 'a number';
    throw new UsageError('ESP_TUNABLE', `${name} cannot be ${String(value)}: give ${kind} from ${String(least)}`);
  }

  /** @throws UsageError as `check` does */
  set(name: string, value: number): void {
    this.check(name, value);
    this.#cell(name).value = value;
  }

  /** Those that are not as the config has them. */
  changed(): Record<string, number> {
    const changed = [...this.#cells].filter(([, { value, initial }]) => value !== initial);
    return Object.fromEntries(changed.map(([name, { value }]) => [name, value]));
  }

  /** Takes back what `changed` gave; all others are as the config has them. */
  restore(changed: Readonly<Record<string, number>>): void {
    for (const [name, cell] of this.#cells) cell.value = changed[name] ?? cell.initial;
  }

  #cell(name: string): Cell {
    const cell = this.#cells.get(name);
    if (cell === undefined) throw new UsageError('ESP_TUNABLE', `no plugin of this run has a changeable ${name}`);
    return cell;
  }
}
