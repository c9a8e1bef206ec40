/** What the server sends to the page, and what a report contains instead. */

export type Status = 'running' | 'done' | 'stopped' | 'failed' | 'interrupted' | 'empty';

/** Quantity on the charts' horizontal axis. */
export type Axis = 'iteration' | 'tokens' | 'time';

export interface MetricSummary {
  readonly name: string;
  /** Empty for a plain number, or if unknown. */
  readonly unit: string;
  /** What is measured, as a phrase; empty if unknown. */
  readonly what: string;
  readonly points: number;
  /** Null if it is not finite, or if there are no points. */
  readonly last: number | null;
  /** Mean of the finite values. */
  readonly mean: number | null;
  readonly min: number | null;
  readonly max: number | null;
}

/** Sent whenever a run changes. */
export interface RunSummary {
  /** The folder as shown; identifies the run in requests. */
  readonly name: string;
  readonly status: Status;
  /** Why it stopped or failed. */
  readonly reasons: readonly string[];
  readonly iteration: number;
  readonly maxIters: number | null;
  readonly tokens: number;
  /** Training time over all processes of the run, in seconds; null if not measured. */
  readonly seconds: number | null;
  readonly metrics: readonly MetricSummary[];
  /** Changes whenever `RunDetails` does. */
  readonly detailsVersion: number;
  /** Whether the user named this run, so the page selects it. */
  readonly named: boolean;
  /** Time of the first start, ISO 8601; null if not logged. */
  readonly started: string | null;
  /** The config by key as `--set` takes it; scalars as text, lists as JSON. */
  readonly settings: Readonly<Record<string, string>>;
}

export interface ScheduleStep {
  readonly name: string;
  readonly value: unknown;
  readonly completed: boolean;
  readonly desc: string;
  /** Iterations done when it was completed; null if the log does not say. */
  readonly at: number | null;
}

export interface TextSample {
  readonly iteration: number;
  readonly prompt: string;
  readonly text: string;
}

/** One start of the run, and its machine. */
export interface Start {
  readonly time: string;
  readonly iteration: number;
  readonly resumedFrom: string | null;
  readonly environment: Readonly<Record<string, string>>;
}

/** Details of a run, fetched when they are shown. */
export interface RunDetails {
  /** Content of config.yaml. */
  readonly config: string;
  readonly schedule: readonly ScheduleStep[];
  /** File of the schedule, if its steps are not known yet. */
  readonly scheduleFile: string | null;
  /** The newest samples, latest first. */
  readonly samples: readonly TextSample[];
  readonly starts: readonly Start[];
}

/** A line of a chart; `y` is null for values that are not finite. */
export interface Line {
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
}

export interface SeriesQuery {
  readonly runs: readonly string[];
  readonly metric: string;
  readonly axis: Axis;
  /** The visible part of the axis; default: all. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Width in pixels; the answer has about two points per pixel. */
  readonly width: number;
  /** Weight of previous values in the smoothed line, from 0 (no smoothing) to below 1. */
  readonly smoothing: number;
}

/** A metric of one run. */
export interface SeriesAnswer {
  readonly raw: Line;
  readonly smooth: Line | null;
}

/** All points of a metric, by iterations done, ascending; arrays of equal length. */
export interface Column {
  readonly iterations: ArrayLike<number>;
  /** Training tokens seen. */
  readonly tokens: ArrayLike<number>;
  /** NaN, or null in JSON, for values that are not finite. */
  readonly values: ArrayLike<number | null>;
}

/** The data of a report, as JSON. */
export interface ReportData {
  readonly made: string;
  readonly espalier: string;
  readonly run: RunSummary;
  readonly details: RunDetails;
  /** By metric; long ones are thinned. */
  readonly columns: Readonly<Record<string, Column>>;
}
