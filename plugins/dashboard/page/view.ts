import type { Axis } from './protocol.js';

/** What the page shows, apart from the data. Its address contains it, so a link or a reload shows the same. */
export interface View {
  readonly axis: Axis;
  readonly log: boolean;
  /** From 0 (off) to below 1. */
  readonly smoothing: number;
  /** Whether charts of related metrics share their vertical scale. */
  readonly sameScale: boolean;
  /** The visible part of the horizontal axis; undefined: all. */
  readonly zoom: readonly [number, number] | undefined;
  /** Names of the selected runs; undefined: the page chooses. */
  readonly runs: readonly string[] | undefined;
  /** The run that others are compared with; empty: none. */
  readonly baseline: string;
  /** Key of the column that sorts the table, after `-` if descending; empty: newest first. */
  readonly sort: string;
  /** Words that runs must match. */
  readonly filter: string;
  /** Words that metrics must match. */
  readonly metrics: string;
  /** Ids of the folded sections. */
  readonly folded: readonly string[];
  /** The run whose details are shown; empty: the first selected one. */
  readonly details: string;
  /** Iteration of the samples; undefined: the newest that all runs have. */
  readonly sample: number | undefined;
}

export const FIRST_VIEW: View = {
  axis: 'iteration',
  log: false,
  smoothing: 0,
  sameScale: true,
  zoom: undefined,
  runs: undefined,
  baseline: '',
  sort: '',
  filter: '',
  metrics: '',
  folded: [],
  details: '',
  sample: undefined,
};

const MAX_SMOOTHING = 0.999;

/** Returns the part of an address after `#` for a view; empty for the first view. */
export function hashOf(view: View): string {
  const search = new URLSearchParams();
  // A selection of no runs is not the page's own choice.
  for (const run of view.runs?.length === 0 ? [''] : (view.runs ?? [])) search.append('run', run);
  if (view.baseline !== '') search.set('baseline', view.baseline);
  if (view.sort !== '') search.set('sort', view.sort);
  if (view.filter !== '') search.set('filter', view.filter);
  if (view.metrics !== '') search.set('metrics', view.metrics);
  if (view.axis !== FIRST_VIEW.axis) search.set('axis', view.axis);
  if (view.log) search.set('log', 'true');
  if (view.smoothing > 0) search.set('smoothing', String(view.smoothing));
  if (!view.sameScale) search.set('same_scale', 'false');
  if (view.zoom !== undefined) search.set('zoom', view.zoom.join('~'));
  for (const id of view.folded) search.append('folded', id);
  if (view.details !== '') search.set('details', view.details);
  if (view.sample !== undefined) search.set('sample', String(view.sample));
  // Slashes, as in the names of runs, need no escape.
  return search.toString().replaceAll('%2F', '/');
}

/** Returns the view of an address; missing and invalid parts are as in `FIRST_VIEW`. */
export function viewOfHash(hash: string): View {
  const search = new URLSearchParams(hash.replace(/^#/, ''));
  const text = (key: string): string => search.get(key) ?? '';
  const runs = search.getAll('run');
  const sample = text('sample');
  return {
    axis: axisOf(text('axis')),
    log: text('log') === 'true',
    smoothing: smoothingOf(Number(text('smoothing'))),
    sameScale: text('same_scale') !== 'false',
    zoom: zoomOf(text('zoom')),
    runs: runs.length === 0 ? undefined : runs.filter((run) => run !== ''),
    baseline: text('baseline'),
    sort: text('sort'),
    filter: text('filter'),
    metrics: text('metrics'),
    folded: search.getAll('folded'),
    details: text('details'),
    sample: /^\d+$/.test(sample) ? Number(sample) : undefined,
  };
}

export function axisOf(value: unknown): Axis {
  return value === 'tokens' || value === 'time' ? value : 'iteration';
}

function zoomOf(text: string): [number, number] | undefined {
  const [from = NaN, to = NaN] = text.split('~').map((part) => (part === '' ? NaN : Number(part)));
  return from < to && Number.isFinite(to - from) ? [from, to] : undefined;
}

export function smoothingOf(value: unknown): number {
  return typeof value === 'number' && value > 0 ? Math.min(MAX_SMOOTHING, value) : 0;
}
