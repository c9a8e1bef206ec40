import { formatTime } from './format.js';
import type { ReportData, RunDetails, RunSummary, SeriesAnswer, SeriesQuery } from './protocol.js';
import { CLOCK, selectSeries } from './series.js';

/** Runs in one request, whose address has a limited length. */
const MAX_RUNS = 50;

/** State of the connection to the page's data. */
export type Connection = 'open' | 'lost' | 'refused' | 'ended' | 'report';
/** @param words text to show; default: the page's own for this state */
type OnConnection = (connection: Connection, words?: string) => void;

/** Where the page gets its data from. */
export interface Source {
  /** Whether the data is in the page itself, so requests cost nothing. */
  readonly isLocal: boolean;
  /** Calls `onRuns` with all runs now, and whenever one changes. */
  watch(onRuns: (runs: readonly RunSummary[]) => void, onConnection: OnConnection): void;
  details(run: string): Promise<RunDetails>;
  /** Returns the metric of each run, null for a run that does not have it. */
  series(query: SeriesQuery): Promise<readonly (SeriesAnswer | null)[]>;
}

/** Gets the data from the server that served the page. */
export class LiveSource implements Source {
  readonly isLocal = false;
  #hasEnded = false;

  watch(onRuns: (runs: readonly RunSummary[]) => void, onConnection: OnConnection): void {
    const stream = new EventSource('api/live');
    const runs = new Map<string, RunSummary>();
    stream.addEventListener('open', () => {
      // The server sends all runs to a new connection.
      runs.clear();
      onConnection('open');
    });
    stream.addEventListener('runs', ({ data }: MessageEvent<string>) => {
      for (const run of parsed(data, isRuns)) runs.set(run.name, run);
      onRuns([...runs.values()]);
    });
    // The browser reconnects by itself unless the server refused.
    stream.addEventListener('error', () => onConnection(stream.readyState === EventSource.CLOSED ? 'refused' : 'lost'));
    stream.addEventListener('end', () => {
      stream.close();
      this.#hasEnded = true;
      onConnection('ended');
    });
  }

  details(run: string): Promise<RunDetails> {
    return this.#get('details', { run }, isDetails);
  }

  async series({ runs, ...query }: SeriesQuery): Promise<readonly (SeriesAnswer | null)[]> {
    const parts = Array.from({ length: Math.ceil(runs.length / MAX_RUNS) }, (_, at) =>
      runs.slice(at * MAX_RUNS, (at + 1) * MAX_RUNS),
    );
    const answers = await Promise.all(parts.map((run) => this.#get('series', { ...query, run }, isSeries)));
    return answers.flat();
  }

  async #get<Answer>(what: string, query: Query, is: Check<Answer>): Promise<Answer> {
    // Nothing would answer the request.
    if (this.#hasEnded) throw new Error('the server has ended');
    const search = new URLSearchParams();
    for (const [key, value] of Object.entries(query)) {
      const values = typeof value === 'object' ? value : value === undefined ? [] : [String(value)];
      for (const each of values) search.append(key, each);
    }
    const response = await fetch(`api/${what}?${search.toString()}`);
    if (!response.ok) throw new Error(`${what}: ${String(response.status)}`);
    return parsed(await response.text(), is);
  }
}

/** Gets the data from the page itself. */
export class ReportSource implements Source {
  readonly isLocal = true;

  constructor(readonly data: ReportData) {}

  watch(onRuns: (runs: readonly RunSummary[]) => void, onConnection: OnConnection): void {
    const { run, made, espalier } = this.data;
    onConnection('report', `Report of ${formatTime(made)}, espalier ${espalier}`);
    onRuns([run]);
  }

  async details(): Promise<RunDetails> {
    return this.data.details;
  }

  async series({ runs, metric, ...query }: SeriesQuery): Promise<readonly (SeriesAnswer | null)[]> {
    const { columns } = this.data;
    const column = columns[metric];
    return runs.map(() => (column === undefined ? null : selectSeries(column, columns[CLOCK], query)));
  }
}

/** Returns the source for this page: embedded data if it is a report, else the server. */
export function sourceOfPage(): Source {
  const embedded = document.getElementById('report-data');
  return embedded === null ? new LiveSource() : new ReportSource(parsed(embedded.textContent, isReport));
}

type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>;
type Check<Value> = (value: unknown) => value is Value;

const isRuns: Check<readonly RunSummary[]> = (value): value is readonly RunSummary[] => Array.isArray(value);
const isDetails = withKeys<RunDetails>('config', 'schedule', 'samples', 'starts');
const isSeries: Check<readonly (SeriesAnswer | null)[]> = (value): value is readonly (SeriesAnswer | null)[] =>
  Array.isArray(value);
const isReport = withKeys<ReportData>('run', 'details', 'columns');

/**
 * Parses an answer. Checks only that it is not something else, such as a proxy's error page: the server has the same
 * version.
 */
function parsed<Value>(text: string, is: Check<Value>): Value {
  const value: unknown = JSON.parse(text);
  if (!is(value)) throw new Error('the server sent an unexpected answer');
  return value;
}

function withKeys<Value>(...keys: readonly (keyof Value & string)[]): Check<Value> {
  return (value): value is Value => typeof value === 'object' && value !== null && keys.every((key) => key in value);
}
