import type { CardLine } from './card-lines.js';
import type { Axis, SeriesAnswer, SeriesQuery } from './protocol.js';
import type { Source } from './source.js';

type Query = Omit<SeriesQuery, 'runs' | 'metric'>;

/** The series of a chart's lines, requested again only if they have changed. */
export class ChartData {
  readonly #answers = new Map<string, SeriesAnswer>();
  /** The last request for each line. */
  readonly #asked = new Map<string, string>();
  #axis: Axis | undefined;

  constructor(private readonly source: Source) {}

  get(key: string): SeriesAnswer | undefined {
    return this.#answers.get(key);
  }

  /** Requests what is missing for these lines. @returns whether anything new has arrived */
  async ask(lines: readonly CardLine[], query: Query): Promise<boolean> {
    // Positions on one axis mean nothing on another.
    if (query.axis !== this.#axis) this.#answers.clear();
    this.#axis = query.axis;
    const byMetric = new Map<string, CardLine[]>();
    for (const line of lines) {
      const { points, last, name } = line.metric;
      const wanted = JSON.stringify([query, points, last]);
      if (this.#asked.get(line.key) === wanted) continue;
      this.#asked.set(line.key, wanted);
      byMetric.set(name, [...(byMetric.get(name) ?? []), line]);
    }
    const came = await Promise.all([...byMetric].map(([metric, asked]) => this.#get(metric, asked, query)));
    return came.includes(true);
  }

  async #get(metric: string, lines: readonly CardLine[], query: Query): Promise<boolean> {
    const before = lines.map(({ key }) => this.#asked.get(key));
    try {
      const answers = await this.source.series({ ...query, metric, runs: lines.map(({ run }) => run) });
      for (const [at, { key }] of lines.entries()) {
        const answer = answers[at];
        // A later request has its own answer.
        if (this.#asked.get(key) !== before[at]) continue;
        if (answer !== null && answer !== undefined) this.#answers.set(key, answer);
      }
      return true;
    } catch {
      // The page reports the lost connection, and requests them again once there is new data.
      for (const { key } of lines) this.#asked.delete(key);
      return false;
    }
  }
}
