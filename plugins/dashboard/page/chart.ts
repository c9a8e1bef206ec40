import uPlot from 'uplot';
import type { ChartLine } from './card-lines.js';
import { formatDuration, formatTick } from './format.js';
import type { Axis } from './protocol.js';

export interface ChartLook {
  readonly axis: Axis;
  readonly log: boolean;
  readonly unit: string;
  readonly height: number;
  /** The visible part of the horizontal axis; undefined: all. */
  readonly zoom: readonly [number, number] | undefined;
}

export interface ChartCallbacks {
  /** Called with the cursor's value on the horizontal axis; undefined if it left the chart. */
  readonly onCursor: (x: number | undefined) => void;
  /** Called with a part selected by dragging; undefined after a double-click, which selects all. */
  readonly onZoom: (range: [number, number] | undefined) => void;
}

const FONT = '12px system-ui, sans-serif';
const FAINT = 0.3;
const DASHES = [
  [7, 4],
  [2, 3],
  [8, 3, 2, 3],
];
/** A line with at most this many points also gets a marker on each. */
const FEW = 12;
/** Selections narrower than this, in pixels, are clicks. */
const LEAST_SELECTION = 5;

/** The canvas of a chart, drawn by uPlot. Keyboard and screen readers are handled by `ChartCard`. */
export class Chart {
  #plot: uPlot | undefined;
  #key = '';
  #zoom: readonly [number, number] | undefined;

  constructor(
    private readonly host: HTMLElement,
    private readonly callbacks: ChartCallbacks,
  ) {}

  draw(lines: readonly ChartLine[], look: ChartLook): void {
    const data = joined(lines, look.log);
    this.#zoom = look.zoom;
    const key = JSON.stringify([
      lines.map(({ label, colour, dash, faint, shown, x }) => [label, colour, dash, faint, shown, x.length <= FEW]),
      look.axis,
      look.log,
      look.unit,
      look.height,
    ]);
    if (this.#plot !== undefined && key === this.#key) {
      this.#plot.setData(data);
      return;
    }
    this.#key = key;
    this.#plot?.destroy();
    this.#plot = new uPlot(this.#options(lines, look), data, this.host);
  }

  /** Redraws in the current theme's colours. */
  recolour(): void {
    this.#plot?.redraw(false, true);
  }

  resize(): void {
    const plot = this.#plot;
    if (plot !== undefined && this.host.clientWidth > 0 && plot.width !== this.host.clientWidth)
      plot.setSize({ width: this.host.clientWidth, height: plot.height });
  }

  /** Moves the cursor by `by` points; the first time, to the last point. */
  step(by: number): void {
    const plot = this.#plot;
    const xs = plot?.data[0];
    if (plot === undefined || xs === undefined || xs.length === 0) return;
    const last = xs.length - 1;
    const at = Math.max(0, Math.min(last, (plot.cursor.idx ?? last + 1) + by));
    plot.setCursor({ left: plot.valToPos(xs[at] ?? 0, 'x'), top: plot.over.clientHeight / 2 });
  }

  /** Returns the visible part of the horizontal axis. */
  range(): [number, number] | undefined {
    const { min, max } = this.#plot?.scales['x'] ?? {};
    return min === undefined || max === undefined ? undefined : [min, max];
  }

  #options(lines: readonly ChartLine[], { axis, log, unit, height }: ChartLook): uPlot.Options {
    const { onCursor, onZoom } = this.callbacks;
    const axisLook = {
      stroke: () => css('--muted'),
      grid: { stroke: () => css('--grid'), width: 1 },
      ticks: { stroke: () => css('--grid'), width: 1, size: 4 },
      font: FONT,
    };
    const tick = axis === 'time' ? formatDuration : formatTick;
    const y = (value: number): string => (unit === 'share' ? `${formatTick(100 * value)} %` : formatTick(value));
    return {
      width: Math.max(200, this.host.clientWidth),
      height,
      legend: { show: false },
      padding: [8, 12, 0, 0],
      cursor: {
        drag: { x: true, y: false, setScale: false },
        sync: { key: axis, scales: ['x', null] },
        y: false,
        points: { size: (_, line) => (lines[line - 1]?.faint === true ? 0 : 7) },
        dataIdx: nearestPoint,
      },
      scales: {
        x: { time: false, range: (_, min, max) => [...(this.#zoom ?? widened(min, max))] },
        y: { distr: log ? uPlot.Scale.Distr.Logarithmic : uPlot.Scale.Distr.Linear },
      },
      axes: [
        { ...axisLook, values: (_, ticks) => ticks.map(tick), space: axis === 'time' ? 80 : 60, size: 32 },
        {
          ...axisLook,
          values: (_, ticks) => ticks.map((value) => (typeof value === 'number' ? y(value) : '')),
          size: 60,
        },
      ],
      series: [{}, ...lines.map(lineOptions)],
      hooks: {
        setCursor: [({ cursor, data }) => onCursor(data[0][cursor.idx ?? -1])],
        setSelect: [
          (plot) => {
            const { left, width } = plot.select;
            if (width < LEAST_SELECTION) return;
            onZoom([plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x')]);
            plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          },
        ],
        ready: [({ over }) => over.addEventListener('dblclick', () => onZoom(undefined))],
      },
    };
  }
}

function lineOptions({ label, colour, dash, faint, shown, x }: ChartLine): uPlot.Series {
  return {
    label,
    show: shown,
    stroke: () => css(colour),
    width: faint ? 1 : 1.75,
    alpha: faint ? FAINT : 1,
    ...(dash > 0 ? { dash: DASHES[(dash - 1) % DASHES.length] ?? [] } : {}),
    // Markers make few points easier to see, and a single point visible at all.
    points: { show: !faint && x.length <= FEW, size: 5, fill: () => css(colour) },
  };
}

/** Joins lines on the union of their x values. Missing values are undefined, which uPlot draws through. */
function joined(lines: readonly ChartLine[], log: boolean): uPlot.AlignedData {
  const tables = lines.map(({ x, y }): uPlot.AlignedData => [
    [...x],
    y.map((value) => (log && value !== null && value <= 0 ? null : value)),
  ]);
  return tables.length === 0 ? [[]] : uPlot.join(tables);
}

/**
 * Returns the index nearest to the cursor's at which this line has a point: lines have points at different x values.
 */
function nearestPoint(plot: uPlot, line: number, at: number): number {
  const values = plot.data[line];
  const isPoint = (place: number): boolean => typeof values?.[place] === 'number';
  const count = values?.length ?? 0;
  for (let away = 0; away < count; away++) {
    if (isPoint(at - away)) return at - away;
    if (isPoint(at + away)) return at + away;
  }
  return at;
}

function widened(min: number, max: number): [number, number] {
  return min < max ? [min, max] : [min - 1, max + 1];
}

/** Resolves a custom property to a colour in the current theme, since a canvas cannot use `var()`. */
function css(property: string): string {
  const probe = document.documentElement;
  probe.style.setProperty('outline-color', `var(${property})`);
  return getComputedStyle(probe).outlineColor;
}
