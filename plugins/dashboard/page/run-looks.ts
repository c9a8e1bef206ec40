import type { RunSummary } from './protocol.js';

/** Colours that the style sheet defines; further runs repeat them. */
const COLOURS = 24;

/** The colour and the label of each run, the same everywhere on the page. */
export class RunLooks {
  readonly #numbers = new Map<string, number>();
  /** What labels leave out. */
  folder = '';

  /** Gives new runs the next colours, in the order of their starts: a later run does not change an earlier one's. */
  add(runs: readonly RunSummary[]): void {
    const fresh = runs.filter(({ name }) => !this.#numbers.has(name));
    const order = (run: RunSummary): string => `${run.started ?? '9'} ${run.name}`;
    for (const { name } of fresh.sort((a, b) => (order(a) < order(b) ? -1 : 1)))
      this.#numbers.set(name, this.#numbers.size);
    this.folder = commonFolder([...this.#numbers.keys()]);
  }

  /** Returns the CSS custom property of a run's colour. */
  colour(run: string): string {
    return `--line-${String((this.#numbers.get(run) ?? 0) % COLOURS)}`;
  }

  /** Returns a run's name without the folder that contains all of them. */
  label(run: string): string {
    return run.startsWith(this.folder) ? run.slice(this.folder.length) : run;
  }
}

/** Returns the folders that several names begin with, with the slash at the end; empty for one name. */
function commonFolder([first, ...others]: readonly string[]): string {
  if (first === undefined || others.length === 0) return '';
  let folder = first;
  do {
    folder = folder.slice(0, folder.lastIndexOf('/', folder.length - 2) + 1);
  } while (!others.every((name) => name.startsWith(folder)));
  return folder;
}
