import { placeOf, TRAINING } from './metric-names.js';
import type { MetricSummary } from './protocol.js';
import { CLOCK } from './series.js';

/** A chart, and the metrics that are its lines. */
export interface ChartPlan {
  /** Unique on the page. */
  readonly id: string;
  readonly title: string;
  readonly metrics: readonly string[];
  readonly unit: string;
  /** Description of the metric; empty for a chart of several. */
  readonly what: string;
}
export interface ChartSection {
  readonly title: string;
  readonly charts: readonly ChartPlan[];
}

/** Charts that come first, in this order. Tokens per second say their unit in the title. */
const known: readonly { title: string; metrics: readonly string[]; unit?: string }[] = [
  { title: 'Loss', metrics: ['train/loss', 'eval/train_loss', 'val/loss', 'ema/val_loss'] },
  { title: 'Learning rate', metrics: ['lr'] },
  { title: 'Tokens per second', metrics: ['throughput/tokens_per_second'], unit: '' },
  { title: 'Gradient norm', metrics: ['grad_norm'] },
];
/** Id of the chart of losses, which is drawn larger. */
export const LOSS_CHART = 'chart-loss';
/** Sections that come first. */
const FIRST = [TRAINING, 'Loss terms', 'Validation sets', 'Evaluators'];
/** The largest number of lines in a chart that can still be told apart. */
const MAX_LINES = 8;

/** Plans the charts for some metrics: the known ones first, then a section for each subject. */
export function chartSections(metrics: readonly MetricSummary[]): ChartSection[] {
  const byName = new Map(metrics.map((metric) => [metric.name, metric]));
  byName.delete(CLOCK);
  const ids = new Set<string>();
  const plan = (key: string, title: string, names: readonly string[], ownUnit?: string): ChartPlan => {
    const [first] = names.map((name) => byName.get(name));
    const unit = ownUnit ?? first?.unit ?? '';
    return { id: newId(key, ids), title, metrics: names, unit, what: names.length === 1 ? (first?.what ?? '') : '' };
  };
  const training = known.flatMap(({ title, metrics: names, unit }) => {
    const present = names.filter((name) => byName.has(name));
    return present.length === 0 ? [] : [plan(title, title, present, unit)];
  });
  const shown = new Set(training.flatMap(({ metrics: names }) => names));
  const others = [...byName.values()].filter(({ name }) => !shown.has(name));
  const sections = new Map<string, ChartPlan[]>(training.length === 0 ? [] : [[TRAINING, training]]);
  for (const { section, title, names } of grouped(others)) {
    sections.set(section, [...(sections.get(section) ?? []), plan(`${section} ${title}`, title, names)]);
  }
  const order = (title: string): number => (FIRST.includes(title) ? FIRST.indexOf(title) : FIRST.length);
  return [...sections].map(([title, charts]) => ({ title, charts })).sort((a, b) => order(a.title) - order(b.title));
}

interface ChartGroup {
  readonly section: string;
  readonly title: string;
  readonly names: readonly string[];
}

/**
 * Groups metrics into charts by their place and by unit, since two units cannot share an axis. A group of more than
 * `MAX_LINES` is divided by the first part of its lines' names, if that leaves several lines in each chart.
 */
function grouped(metrics: readonly MetricSummary[]): ChartGroup[] {
  const sorted = metrics
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, unit }) => ({ name, unit, ...placeOf(name) }));
  const groups = groupBy(sorted, ({ section, chart, unit }) => JSON.stringify([section, chart, unit]));
  return [...groups.values()].flatMap((members) => {
    const [{ section, chart } = { section: '', chart: '' }] = members;
    const parts = groupBy(members, ({ line }) => line.split(' · ')[0] ?? '');
    const isDivided = members.length > MAX_LINES && 2 * parts.size <= members.length;
    const charts: [string, typeof members][] = isDivided
      ? [...parts].map(([part, lines]) => [`${chart} · ${part}`, lines])
      : [[chart, members]];
    return charts.flatMap(([title, lines]) =>
      inPieces(lines).map((piece, at) => ({
        section,
        title: at === 0 ? title : `${title} (${String(at + 1)})`,
        names: piece.map(({ name }) => name),
      })),
    );
  });
}

function inPieces<T>(lines: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(lines.length / MAX_LINES) }, (_, at) =>
    lines.slice(at * MAX_LINES, (at + 1) * MAX_LINES),
  );
}

/** Keeps the order in which keys first occur. */
function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    groups.set(key, [...(groups.get(key) ?? []), value]);
  }
  return groups;
}

/** Charts of one title, which differ in their unit, get a number. */
function newId(key: string, taken: Set<string>): string {
  const id = `chart-${key.toLowerCase().replaceAll(/[^\w]+/g, '-')}`;
  let free = id;
  for (let number = 2; taken.has(free); number++) free = `${id}-${String(number)}`;
  taken.add(free);
  return free;
}
