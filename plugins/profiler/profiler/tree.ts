import { total, type ListenerTime, type SectionTime, type Times } from './account.js';

/** Listeners below this share of the time are not shown. */
const SMALLEST_SHARE = 0.0002;

interface Row {
  readonly name: string;
  readonly depth: number;
  readonly milliseconds: number;
}

/** Formats where the time went, as lines: milliseconds per iteration, and the share of the total. */
export function timeTree(times: Times, iterations: number): string[] {
  const sections = [...times.sections.children.values()].flatMap((child) => sectionRows(child, 0));
  const rows = [...sections, ...pluginRows(times), { name: 'loop itself', depth: 0, milliseconds: times.other }];
  const all = sum(rows.filter(({ depth }) => depth === 0));
  const shown = rows.filter(
    ({ depth, milliseconds }, index) => depth === 0 || index < sections.length || milliseconds > SMALLEST_SHARE * all,
  );
  const width = Math.max(...shown.map(({ name, depth }) => name.length + 2 * depth));
  return [
    `time of ${iterations.toLocaleString('en-US')} iterations: ${(all / 1000).toFixed(2)} s, ${(all / iterations).toFixed(2)} ms each`,
    ...shown.map(({ name, depth, milliseconds }) => {
      const label = `${'  '.repeat(depth)}${name}`.padEnd(width);
      const each = (milliseconds / iterations).toFixed(3).padStart(10);
      return `  ${label} ${each} ms ${((100 * milliseconds) / all).toFixed(1).padStart(6)} %`;
    }),
  ];
}

/** Returns the milliseconds in each section, including its children, by path: `evaluation/samples`. */
export function sectionTotals(of: SectionTime, path = ''): Map<string, number> {
  const totals = new Map<string, number>();
  for (const child of of.children.values()) {
    const at = path === '' ? child.name : `${path}/${child.name}`;
    totals.set(at, total(child));
    for (const [name, milliseconds] of sectionTotals(child, at)) totals.set(name, milliseconds);
  }
  return totals;
}

function sectionRows(of: SectionTime, depth: number): Row[] {
  const children = [...of.children.values()].flatMap((child) => sectionRows(child, depth + 1));
  return [{ name: of.name, depth, milliseconds: total(of) }, ...children];
}

/** Returns rows for the plugins' time outside sections, slowest first, each with its events. */
function pluginRows({ listeners }: Times): Row[] {
  const all = [...listeners.values()];
  const plugins = [...new Set(all.map(({ plugin }) => plugin))].map((name) => {
    const events = all.filter(({ plugin }) => plugin === name).map(asRow);
    return { name, events, milliseconds: sum(events) };
  });
  plugins.sort((a, b) => b.milliseconds - a.milliseconds);
  return [
    { name: 'plugins', depth: 0, milliseconds: sum(plugins) },
    ...plugins.flatMap(({ name, events, milliseconds }) => [
      { name, depth: 1, milliseconds },
      ...events.sort((a, b) => b.milliseconds - a.milliseconds),
    ]),
  ];
}

function asRow({ event, outside }: ListenerTime): Row {
  return { name: event, depth: 2, milliseconds: outside };
}

function sum(rows: readonly { readonly milliseconds: number }[]): number {
  return rows.reduce((total, { milliseconds }) => total + milliseconds, 0);
}
