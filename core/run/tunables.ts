import { UsageError } from '../errors.js';

/** A number that the schedule may change while the run trains; read `value` each time. */
export interface Tunable {
  readonly value: number;
}
export interface TunableRange {
  least: number;
  most?: number;
  /** Whole numbers only. */
  whole: boolean;
}
/** A tunable that is not as the config had it. */
export interface ChangedTunable {
  value: number;
  /** What the config had; checkpoints of format 1 do not tell. */
  configured?: number | undefined;
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

  /** Those that are not as the config has them. */
  changed(): Record<string, ChangedTunable> {
    const changed = [...this.#cells].filter(([, { value, initial }]) => value !== initial);
    return Object.fromEntries(changed.map(([name, { value, initial }]) => [name, { value, configured: initial }]));
  }

  /** Takes back what `changed` gave; one whose setting in the config was changed since has that. */
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
