import uPlot from 'uplot';
import type { ChartLine } from './card-lines.js';
import { formatDuration, formatTick } from './format.js';
import type { Axis } from './protocol.js';

export interface ChartLook {
  readonly axis: Axis;
  readonly log: boolean;
  readonly unit: string;
  readonly height: number;
  /** The part of the horizontal axis that is shown; undefined: all. */
  readonly zoom: readonly [number, number] | undefined;
}

export interface ChartCallbacks {
  /** The cursor stands at a value of the horizontal axis, or nowhere. */
  readonly onCursor: (x: number | undefined) => void;
  /** A part was selected by dragging, or by double-click all of it. */
  readonly onZoom: (range: [number, number] | undefined) => void;
}

const FONT = '12px system-ui, sans-serif';
const FAINT = 0.3;
const DASHES = [
  [7, 4],
  [2, 3],
  [8, 3, 2, 3],
];
/** Points of a line that are each drawn as one. */
const FEW = 12;
/** Narrower selections are clicks. */
const LEAST_SELECTION = 5;

/** A canvas with lines, drawn by uPlot; what it is for screen readers and the keyboard is around it. */
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

  /** Draws again in the colours of now. */
  recolour(): void {
    this.#plot?.redraw(false, true);
  }

  resize(): void {
    const plot = this.#plot;
    if (plot !== undefined && this.host.clientWidth > 0 && plot.width !== this.host.clientWidth)
      plot.setSize({ width: this.host.clientWidth, height: plot.height });
  }

  /** Moves the cursor by so many points; from nowhere, to the last one. */
  step(by: number): void {
    const plot = this.#plot;
    const xs = plot?.data[0];
    if (plot === undefined || xs === undefined || xs.length === 0) return;
    const last = xs.length - 1;
    const at = Math.max(0, Math.min(last, (plot.cursor.idx ?? last + 1) + by));
    plot.setCursor({ left: plot.valToPos(xs[at] ?? 0, 'x'), top: plot.over.clientHeight / 2 });
  }

  /** The part of the horizontal axis that is drawn. */
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
    // A few points are seen better as points, and one is nothing else.
    points: { show: !faint && x.length <= FEW, size: 5, fill: () => css(colour) },
  };
}

/** All lines over the union of their places; undefined, which uPlot draws through, where a line has no point. */
function joined(lines: readonly ChartLine[], log: boolean): uPlot.AlignedData {
  const tables = lines.map(({ x, y }): uPlot.AlignedData => [
    [...x],
    y.map((value) => (log && value !== null && value <= 0 ? null : value)),
  ]);
  return tables.length === 0 ? [[]] : uPlot.join(tables);
}

/** The place nearest to the cursor's at which this line has a point: the lines have points at different places. */
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

/** The colour of a custom property in the theme of now: a canvas takes no `var()`. */
function css(property: string): string {
  const probe = document.documentElement;
  probe.style.setProperty('outline-color', `var(${property})`);
  return getComputedStyle(probe).outlineColor;
}
