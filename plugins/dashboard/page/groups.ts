import { placeOf, TRAINING } from './metric-names.js';
import type { MetricSummary } from './protocol.js';
import { CLOCK } from './series.js';

/** A chart of one metric. */
export interface ChartPlan {
  /** Unique on the page. */
  readonly id: string;
  readonly title: string;
  readonly metric: string;
  /** A metric that belongs to it, drawn thin and dashed: the training loss of the validation loss. */
  readonly context?: string;
  readonly unit: string;
  /** Description of the metric. */
  readonly what: string;
}

/** Charts of related metrics with one unit, as small multiples; or a single chart. */
export interface ChartGroup {
  readonly title: string;
  readonly unit: string;
  readonly charts: readonly ChartPlan[];
}

export interface ChartSection {
  readonly title: string;
  readonly groups: readonly ChartGroup[];
}

/** Charts that come first, in this order. Tokens per second say their unit in the title. */
const known: readonly { title?: string; metric: string; unit?: string }[] = [
  { metric: 'lr' },
  { metric: 'throughput/tokens_per_second', unit: '' },
  { metric: 'grad_norm' },
  { metric: 'eval/train_loss' },
  { metric: 'ema/val_loss' },
];
/** The loss that is drawn solid, and the one next to it. */
const LOSSES = ['val/loss', 'train/loss'];
/** Id of the chart of losses, which is drawn larger. */
export const LOSS_CHART = 'chart-loss';
/** Sections that come first. */
const FIRST = [TRAINING, 'Loss terms', 'Validation sets', 'Evaluators'];
/** Larger groups are divided. */
const MANY = 8;

/** Plans the charts for some metrics: the known ones first, then a section for each subject. */
export function chartSections(metrics: readonly MetricSummary[]): ChartSection[] {
  const byName = new Map(metrics.map((metric) => [metric.name, metric]));
  byName.delete(CLOCK);
  const ids = new Set<string>();
  const training: ChartGroup[] = [];
  const [loss, context] = LOSSES.flatMap((name) => byName.get(name) ?? []);
  if (loss !== undefined) {
    const plan = chartOf(loss, 'Loss', 'Loss', ids);
    training.push(single(context === undefined ? plan : { ...plan, what: '', context: context.name }));
  }
  for (const { metric: name, unit } of known) {
    const metric = byName.get(name);
    if (metric === undefined) continue;
    const { line } = placeOf(name);
    training.push(single(chartOf({ ...metric, unit: unit ?? metric.unit }, line, line, ids)));
  }
  const shown = new Set([...LOSSES, ...known.map(({ metric }) => metric)]);
  const others = [...byName.values()].filter(({ name }) => !shown.has(name));
  const sections = new Map<string, ChartGroup[]>(training.length === 0 ? [] : [[TRAINING, training]]);
  for (const { section, title, members } of grouped(others)) {
    const charts = members.map((metric) => {
      const name = members.length === 1 ? title : metric.line;
      return chartOf(metric, name, `${section} ${title} ${members.length === 1 ? '' : metric.line}`, ids);
    });
    sections.set(section, [...(sections.get(section) ?? []), { title, unit: members[0]?.unit ?? '', charts }]);
  }
  const order = (title: string): number => (FIRST.includes(title) ? FIRST.indexOf(title) : FIRST.length);
  return [...sections].map(([title, groups]) => ({ title, groups })).sort((a, b) => order(a.title) - order(b.title));
}

function single(plan: ChartPlan): ChartGroup {
  return { title: plan.title, unit: plan.unit, charts: [plan] };
}

function chartOf({ name, unit, what }: MetricSummary, title: string, key: string, ids: Set<string>): ChartPlan {
  return { id: newId(key, ids), title, metric: name, unit, what };
}

type PlacedMetric = MetricSummary & { readonly line: string };
interface MetricGroup {
  readonly section: string;
  readonly title: string;
  readonly members: readonly PlacedMetric[];
}

/**
 * Groups metrics by their place and by unit, since related ones share a scale. A group of more than `MANY` is divided by
 * the first part of its lines' names, if that leaves several in each.
 */
function grouped(metrics: readonly MetricSummary[]): MetricGroup[] {
  const sorted = metrics
    .toSorted((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
    .map((metric) => ({ ...metric, ...placeOf(metric.name) }));
  const groups = groupBy(sorted, ({ section, chart, unit }) => JSON.stringify([section, chart, unit]));
  return [...groups.values()].flatMap((members): MetricGroup[] => {
    const [{ section, chart } = { section: '', chart: '' }] = members;
    const parts = groupBy(members, ({ line }) => line.split(' · ')[0] ?? '');
    if (members.length <= MANY || 2 * parts.size > members.length) return [{ section, title: chart, members }];
    return [...parts].map(([part, lines]) => ({
      section,
      title: `${chart} · ${part}`,
      members: lines.map((metric) => ({ ...metric, line: withoutPart(metric.line) })),
    }));
  });
}

/** Returns a line's name without its first part, which the group's title has. */
function withoutPart(line: string): string {
  const rest = line.split(' · ').slice(1).join(' · ');
  return rest === '' ? 'All' : rest.charAt(0).toUpperCase() + rest.slice(1);
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

/** Returns a unique id; those of equal keys get a number. */
function newId(key: string, taken: Set<string>): string {
  const id = `chart-${key.toLowerCase().replaceAll(/[^\w]+/g, '-')}`;
  let free = id;
  for (let number = 2; taken.has(free); number++) free = `${id}-${String(number)}`;
  taken.add(free);
  return free;
}
