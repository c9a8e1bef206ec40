import { matchesFilter } from './filter.js';
import { formatCount, formatDifference, formatDuration } from './format.js';
import type { RunSummary, Status } from './protocol.js';
import { differences } from './run-settings.js';

/** A column of the table of runs. */
export interface RunColumn {
  /** Names the column in the address. */
  readonly key: string;
  readonly title: string;
  /** What is in it, for a tooltip. */
  readonly what: string;
  readonly isNumber: boolean;
  /** Null if the run does not have it. */
  value(run: RunSummary): number | string | null;
  text(run: RunSummary): string;
}

const VALIDATION_LOSS = 'val/loss';

export const statusWords: Record<Status, string> = {
  running: 'Training',
  done: 'Done',
  stopped: 'Stopped',
  failed: 'Failed',
  interrupted: 'Interrupted',
  empty: 'No data yet',
};

/** Returns the lowest validation loss of a run; null without evaluation. */
export function bestLoss({ metrics }: RunSummary): number | null {
  return metrics.find(({ name }) => name === VALIDATION_LOSS)?.min ?? null;
}

/**
 * Returns the columns for these runs: results, then the config values that differ.
 * @param baseline adds a column with each run's difference from it
 */
export function columnsFor(runs: readonly RunSummary[], baseline: RunSummary | undefined): RunColumn[] {
  return [
    {
      key: 'name',
      title: 'Run',
      what: 'folder of the run',
      isNumber: false,
      value: ({ name }) => name,
      text: ({ name }) => name,
    },
    number('best', 'Best val. loss', 'lowest validation loss', bestLoss, loss),
    ...(baseline === undefined ? [] : [differenceFrom(baseline)]),
    {
      key: 'status',
      title: 'Status',
      what: 'whether the run trains, or how it ended',
      isNumber: false,
      value: ({ status }) => statusWords[status],
      text: ({ status }) => statusWords[status],
    },
    number('tokens', 'Tokens', 'training tokens', ({ tokens }) => tokens, formatCount),
    number('time', 'Time', 'training time', ({ seconds }) => seconds, duration),
    ...differences(runs).map(({ key, title, values }): RunColumn => {
      const isNumber = [...values.values()].every((value) => value === 'null' || isNumeric(value));
      return {
        key,
        title,
        what: key,
        isNumber,
        value: ({ name }) => typed(values.get(name)),
        text: ({ name }) => values.get(name) ?? '–',
      };
    }),
  ];
}

/**
 * Returns the runs in the order of a column; those without a value come last. Equal runs keep their order.
 * @param sort key of the column, after `-` if descending; an unknown one changes nothing
 */
export function sortedRuns(
  runs: readonly RunSummary[],
  columns: readonly RunColumn[],
  sort: string,
): readonly RunSummary[] {
  const sign = sort.startsWith('-') ? -1 : 1;
  const column = columns.find(({ key }) => key === sort.replace(/^-/, ''));
  if (column === undefined) return runs;
  return runs.toSorted((a, b) => {
    const [first, second] = [column.value(a), column.value(b)];
    if (first === null || second === null) return Number(first === null) - Number(second === null);
    return sign * compared(first, second);
  });
}

/** Returns whether each word of a filter is in the run's name, status or another column: `adamw`, `lr=1e-3`. */
export function matches(run: RunSummary, columns: readonly RunColumn[], filter: string): boolean {
  const texts = columns.flatMap((column) => {
    const text = column.text(run);
    return [text, `${column.title}=${text}`, `${column.key}=${text}`];
  });
  return matchesFilter(filter, texts);
}

function number(
  key: string,
  title: string,
  what: string,
  value: (run: RunSummary) => number | null,
  format: (value: number | null) => string,
): RunColumn {
  return { key, title, what, isNumber: true, value, text: (run) => format(value(run)) };
}

function differenceFrom(baseline: RunSummary): RunColumn {
  const own = bestLoss(baseline);
  const value = (run: RunSummary): number | null => {
    const best = bestLoss(run);
    return best === null || own === null || run.name === baseline.name ? null : best - own;
  };
  return {
    ...number(
      'difference',
      'Δ val. loss',
      `best validation loss minus that of ${baseline.name}`,
      value,
      formatDifference,
    ),
    text: (run) => (run.name === baseline.name ? 'baseline' : formatDifference(value(run))),
  };
}

/** Formats a loss so that a column of them lines up. */
function loss(value: number | null): string {
  return value === null ? '–' : value.toFixed(4);
}

function duration(value: number | null): string {
  return value === null ? '–' : formatDuration(value);
}

function isNumeric(text: string): boolean {
  return text.trim() !== '' && Number.isFinite(Number(text));
}

function typed(text: string | undefined): number | string | null {
  if (text === undefined || text === 'null') return null;
  return isNumeric(text) ? Number(text) : text;
}

function compared(a: number | string, b: number | string): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a).localeCompare(String(b), 'en', { numeric: true });
}
