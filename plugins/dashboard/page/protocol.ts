/** What the server tells the page, and what a report holds in its place. */

export type Status = 'running' | 'done' | 'stopped' | 'failed' | 'interrupted' | 'empty';

/** What the horizontal axis of the charts counts. */
export type Axis = 'iteration' | 'tokens' | 'time';

export interface MetricSummary {
  readonly name: string;
  /** Empty for a plain number, or where the run does not say. */
  readonly unit: string;
  /** What is measured, in a phrase; empty where the run does not say. */
  readonly what: string;
  readonly points: number;
  /** Null where it is not finite, or where there is none. */
  readonly last: number | null;
  /** Of all that are finite. */
  readonly mean: number | null;
  readonly min: number | null;
  readonly max: number | null;
}

/** What is sent whenever a run changes. */
export interface RunSummary {
  /** Its folder as it is shown; the key of every request. */
  readonly name: string;
  readonly status: Status;
  /** Why it stopped or failed. */
  readonly reasons: readonly string[];
  readonly iteration: number;
  readonly maxIters: number | null;
  readonly tokens: number;
  /** Training time over all its processes, in seconds; null where it was not measured. */
  readonly seconds: number | null;
  readonly metrics: readonly MetricSummary[];
  /** Changes with `RunDetails`. */
  readonly detailsVersion: number;
}

export interface ScheduleStep {
  readonly name: string;
  readonly value: unknown;
  readonly completed: boolean;
  readonly desc: string;
  /** Iterations done when it was completed, where a line of the log says so. */
  readonly at: number | null;
}

export interface TextSample {
  readonly iteration: number;
  readonly prompt: string;
  readonly text: string;
}

/** One start of the run's process, and the machine that it was on. */
export interface Start {
  readonly time: string;
  readonly iteration: number;
  readonly resumedFrom: string | null;
  readonly environment: Readonly<Record<string, string>>;
}

/** What is asked for when it is looked at. */
export interface RunDetails {
  /** config.yaml as it is. */
  readonly config: string;
  readonly schedule: readonly ScheduleStep[];
  /** Where the schedule stands, when its steps are not known yet. */
  readonly scheduleFile: string | null;
  /** The newest, latest first. */
  readonly samples: readonly TextSample[];
  readonly starts: readonly Start[];
}

/** A line of a chart; `y` is null where the value is not finite. */
export interface Line {
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
}

export interface SeriesQuery {
  readonly run: string;
  readonly metric: string;
  readonly axis: Axis;
  /** Part of the axis that is shown; the whole where it is not given. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Horizontal pixels: a line has about two points for each. */
  readonly width: number;
  /** Weight of what came before in the smoothed line, from 0 (none) to below 1. */
  readonly smoothing: number;
}

export interface SeriesAnswer {
  readonly raw: Line;
  readonly smooth: Line | null;
}

/** All points of a metric, by iterations done, ascending; arrays of one length. */
export interface Column {
  readonly iterations: ArrayLike<number>;
  /** Training tokens seen. */
  readonly tokens: ArrayLike<number>;
  /** NaN where the value is not finite; null in JSON. */
  readonly values: ArrayLike<number | null>;
}

/** What stands in a report, as JSON. */
export interface ReportData {
  readonly made: string;
  readonly espalier: string;
  readonly run: RunSummary;
  readonly details: RunDetails;
  /** By metric; long ones thinned. */
  readonly columns: Readonly<Record<string, Column>>;
}
