import type { ReportData, RunDetails, RunSummary, SeriesAnswer, SeriesQuery } from './protocol.js';
import { CLOCK, selectSeries } from './series.js';

/** State of the connection to the page's data. */
export type Connection = 'live' | 'lost' | 'refused' | 'ended' | 'report';
/** @param words text to show; default: the page's own for this state */
type OnConnection = (connection: Connection, words?: string) => void;

/** Where the page gets its data from. */
export interface Source {
  /** Whether the data is in the page itself, so requests cost nothing. */
  readonly isLocal: boolean;
  /** Calls `onRuns` with all runs now, and whenever one changes. */
  watch(onRuns: (runs: readonly RunSummary[]) => void, onConnection: OnConnection): void;
  details(run: string): Promise<RunDetails>;
  series(query: SeriesQuery): Promise<SeriesAnswer>;
}

/** Gets the data from the server that served the page. */
export class LiveSource implements Source {
  readonly isLocal = false;
  #hasEnded = false;

  watch(onRuns: (runs: readonly RunSummary[]) => void, onConnection: OnConnection): void {
    const stream = new EventSource('api/live');
    stream.addEventListener('open', () => onConnection('live'));
    stream.addEventListener('runs', ({ data }: MessageEvent<string>) => onRuns(parsed(data, isRuns)));
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

  series(query: SeriesQuery): Promise<SeriesAnswer> {
    return this.#get('series', { ...query }, isSeries);
  }

  async #get<Answer>(what: string, query: Query, is: Check<Answer>): Promise<Answer> {
    // Nothing would answer the request.
    if (this.#hasEnded) throw new Error('the server has ended');
    const search = new URLSearchParams();
    for (const [key, value] of Object.entries(query)) if (value !== undefined) search.set(key, String(value));
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
    onConnection('report', `Report of ${new Date(made).toLocaleString()}, espalier ${espalier}`);
    onRuns([run]);
  }

  async details(): Promise<RunDetails> {
    return this.data.details;
  }

  async series({ metric, ...query }: SeriesQuery): Promise<SeriesAnswer> {
    const { columns } = this.data;
    const column = columns[metric];
    if (column === undefined) throw new Error(`the report has no ${metric}`);
    return selectSeries(column, columns[CLOCK], query);
  }
}

/** Returns the source for this page: embedded data if it is a report, else the server. */
export function sourceOfPage(): Source {
  const embedded = document.getElementById('report-data');
  return embedded === null ? new LiveSource() : new ReportSource(parsed(embedded.textContent, isReport));
}

type Query = Readonly<Record<string, string | number | undefined>>;
type Check<Value> = (value: unknown) => value is Value;

const isRuns: Check<readonly RunSummary[]> = (value): value is readonly RunSummary[] => Array.isArray(value);
const isDetails = withKeys<RunDetails>('config', 'schedule', 'samples', 'starts');
const isSeries = withKeys<SeriesAnswer>('raw', 'smooth');
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
