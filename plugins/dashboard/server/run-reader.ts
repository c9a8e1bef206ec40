import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { isInUse } from '../../runs/contract.js';
import type { Column, RunDetails, RunSummary, SeriesAnswer, SeriesQuery, Status } from '../page/protocol.js';
import { CLOCK, selectSeries, totalSeconds } from '../page/series.js';
import { LineFollower } from './follow-lines.js';
import { MetricColumns } from './metric-columns.js';
import { parsedYaml } from './parsed.js';
import { RunEvents } from './run-events.js';
import { settingsOf } from './settings.js';

const scheduleSchema = z.object({
  plugins: z.object({
    'scaling-schedule': z.object({
      file: z.string().optional(),
      operations: z.array(z.object({ name: z.string(), value: z.unknown(), desc: z.string().optional() })).optional(),
    }),
  }),
});

/** Reads a run from its folder, whether it is training or has ended. Everything is as of the last `refresh`. */
export class RunReader {
  /** Metrics of metrics.jsonl. */
  readonly #exact = new MetricColumns();
  /** Metrics of timings.jsonl, which depend on the clock. */
  readonly #clock = new MetricColumns();
  #events = new RunEvents();
  #detailsVersion = 0;
  #inUse = false;
  #seconds = { points: 0, total: 0 };
  #settings: { version: number; values: Record<string, string> } = { version: -1, values: {} };
  #refreshing: Promise<void> | undefined;
  readonly #exactLines: LineFollower;
  readonly #clockLines: LineFollower;
  readonly #eventLines: LineFollower;

  /**
   * @param name as shown, and used in requests
   * @param named whether the user named this run
   */
  constructor(
    readonly name: string,
    readonly folder: string,
    private readonly named = false,
  ) {
    this.#exactLines = new LineFollower(path.join(folder, 'metrics.jsonl'));
    this.#clockLines = new LineFollower(path.join(folder, 'timings.jsonl'));
    this.#eventLines = new LineFollower(path.join(folder, 'events.jsonl'));
  }

  /** Reads what was appended since the last call. */
  async refresh(): Promise<void> {
    this.#refreshing ??= this.#read().finally(() => (this.#refreshing = undefined));
    await this.#refreshing;
  }

  summary(): RunSummary {
    const { maxIters, end } = this.#events;
    const newest = this.#exact.iteration > this.#clock.iteration ? this.#exact : this.#clock;
    const metrics = [...this.#exact.summaries(), ...this.#clock.summaries()];
    return {
      name: this.name,
      status: this.#status(),
      reasons: end?.reasons ?? [],
      iteration: Math.max(newest.iteration, end?.iteration ?? 0),
      maxIters,
      tokens: newest.tokens,
      seconds: this.#totalSeconds(),
      metrics: metrics.map((metric) => ({
        ...metric,
        ...(this.#events.units.get(metric.name) ?? { unit: '', what: '' }),
      })),
      detailsVersion: this.#detailsVersion,
      named: this.named,
      started: this.#events.starts[0]?.time ?? null,
      settings: this.#currentSettings(),
    };
  }

  details(): RunDetails {
    const config = this.#config();
    const { schedule, samples, starts } = this.#events;
    const planned = scheduleSchema.safeParse(parsedYaml(config)).data?.plugins['scaling-schedule'];
    const steps = planned?.operations?.map(({ name, value, desc = '' }) => ({
      name,
      value,
      desc,
      completed: false,
      at: null,
    }));
    return {
      config,
      schedule: schedule ?? steps ?? [],
      scheduleFile: schedule === undefined ? (planned?.file ?? null) : null,
      samples,
      starts,
    };
  }

  /** Returns all points of a metric; undefined if the run does not have it. */
  column(metric: string): Column | undefined {
    return this.#exact.column(metric) ?? this.#clock.column(metric);
  }

  /** Returns the lines to draw for a metric; undefined if the run does not have it. */
  series(query: Omit<SeriesQuery, 'runs'>): SeriesAnswer | undefined {
    const column = this.column(query.metric);
    return column === undefined ? undefined : selectSeries(column, this.#clock.column(CLOCK), query);
  }

  async #read(): Promise<void> {
    await this.#exactLines.read(
      (line) => this.#exact.add(line),
      () => this.#exact.clear(),
    );
    await this.#clockLines.read(
      (line) => this.#clock.add(line),
      () => this.#clock.clear(),
    );
    const hasChanged = await this.#eventLines.read(
      (line) => this.#events.add(line),
      () => (this.#events = new RunEvents()),
    );
    if (hasChanged) this.#detailsVersion++;
    this.#inUse = await isInUse(this.folder);
  }

  #status(): Status {
    if (this.#events.end !== undefined) return this.#events.end.status;
    if (this.#inUse) return 'running';
    return this.#events.starts.length > 0 || this.#exact.iteration > 0 ? 'interrupted' : 'empty';
  }

  #totalSeconds(): number | null {
    const clock = this.#clock.column(CLOCK);
    if (clock === undefined) return null;
    const points = clock.values.length;
    if (points !== this.#seconds.points) this.#seconds = { points, total: totalSeconds(clock) };
    return this.#seconds.total;
  }

  /** Reads the config again only when an event was logged: each start writes it, then logs `run:start`. */
  #currentSettings(): Record<string, string> {
    if (this.#settings.version !== this.#detailsVersion)
      this.#settings = { version: this.#detailsVersion, values: settingsOf(parsedYaml(this.#config())) };
    return this.#settings.values;
  }

  #config(): string {
    try {
      return readFileSync(path.join(this.folder, 'config.yaml'), 'utf8');
    } catch {
      return '';
    }
  }
}
