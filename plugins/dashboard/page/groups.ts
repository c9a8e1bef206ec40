import type { MetricSummary } from './protocol.js';
import { CLOCK } from './series.js';

/** A chart with the metrics that are its lines. */
export interface ChartPlan {
  readonly title: string;
  readonly metrics: readonly string[];
  readonly unit: string;
  /** What is measured; empty where a chart has several metrics. */
  readonly what: string;
}
export interface ChartSection {
  readonly title: string;
  readonly charts: readonly ChartPlan[];
}

const TRAINING = 'Training';
/** Charts that every run has, in the order that they are looked at. */
const known: readonly { title: string; metrics: readonly string[] }[] = [
  { title: 'Loss', metrics: ['train/loss', 'eval/train_loss', 'val/loss'] },
  { title: 'Learning rate', metrics: ['lr'] },
  { title: 'Throughput', metrics: ['throughput/tokens_per_second'] },
  { title: 'Gradient norm', metrics: ['grad_norm'] },
];
/** Lines of one chart that can still be told apart. */
const MOST_LINES = 8;

/** Share of the loop's time by plugin, and milliseconds an iteration by section of it. */
export const PLUGIN_SHARE = /^timing\/plugin\/(.+)$/;
export const SECTION_TIME = /^timing\/(?!plugin\/)(.+)$/;

/**
 * The charts for some metrics: the known ones first, then a section for each prefix. Metrics whose names differ only
 * in the part after the second slash share a chart.
 */
export function chartSections(metrics: readonly MetricSummary[]): ChartSection[] {
  const byName = new Map(metrics.map((metric) => [metric.name, metric]));
  byName.delete(CLOCK);
  const plan = (title: string, names: readonly string[]): ChartPlan => {
    const [first] = names.map((name) => byName.get(name));
    return { title, metrics: names, unit: first?.unit ?? '', what: names.length === 1 ? (first?.what ?? '') : '' };
  };
  const training = known.flatMap(({ title, metrics: names }) => {
    const present = names.filter((name) => byName.has(name));
    return present.length === 0 ? [] : [plan(title, present)];
  });
  for (const { metrics: names } of training) for (const name of names) byName.delete(name);
  const sections = new Map<string, ChartPlan[]>(training.length === 0 ? [] : [[TRAINING, training]]);
  for (const [title, names] of grouped([...byName.values()])) {
    const section = sectionOf(title);
    const chart = plan(title, names);
    sections.set(section, [...(sections.get(section) ?? []), chart]);
  }
  return [...sections].map(([title, charts]) => ({ title, charts }));
}

/**
 * By the start of the name and by unit: two units have no axis in common. The title names the unit where there are
 * several. What is more than a chart has lines is divided by one more part of the name,
 * where that leaves several lines to a chart.
 */
function grouped(metrics: readonly MetricSummary[]): Map<string, string[]> {
  const sorted = metrics.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const groups = new Map<string, string[]>();
  for (const [start, alike] of groupBy(sorted, ({ name }) => groupOf(name))) {
    const units = groupBy(alike, ({ unit }) => unit);
    for (const [unit, members] of units) {
      const parts = groupBy(members, ({ name }) => partOf(name, start));
      const divided = members.length > MOST_LINES && 2 * parts.size <= members.length;
      for (const [part, lines] of divided ? parts : [[start, members] as const]) {
        const title = units.size > 1 && unit !== '' ? `${part}, ${unit}` : part;
        for (let from = 0; from < lines.length; from += MOST_LINES) {
          const names = lines.slice(from, from + MOST_LINES).map(({ name }) => name);
          groups.set(numbered(title, 1 + from / MOST_LINES), names);
        }
      }
    }
  }
  return groups;
}

/** In the order in which keys come first. */
function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    groups.set(key, [...(groups.get(key) ?? []), value]);
  }
  return groups;
}

/** The start of a name with one more part of it. */
function partOf(name: string, start: string): string {
  return name
    .split('/')
    .slice(0, start.split('/').length + 1)
    .join('/');
}

function numbered(key: string, at: number): string {
  return at === 1 ? key : `${key} (${String(at)})`;
}

function groupOf(name: string): string {
  if (PLUGIN_SHARE.test(name)) return 'timing/plugin';
  if (SECTION_TIME.test(name)) return 'timing';
  const parts = name.split('/');
  return parts.length > 2 ? parts.slice(0, 2).join('/') : name;
}

function sectionOf(group: string): string {
  const [prefix = ''] = group.split('/');
  if (!group.includes('/') && prefix !== 'timing') return TRAINING;
  if (prefix === 'timing' || prefix === 'time') return 'Time';
  if (prefix === 'val' || prefix === 'eval') return 'Evaluation';
  return prefix.charAt(0).toUpperCase() + prefix.slice(1);
}
