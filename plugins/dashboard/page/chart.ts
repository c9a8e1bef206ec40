import uPlot from 'uplot';
import { joined, nearestPoint } from './aligned-lines.js';
import type { ChartLine } from './card-lines.js';
import { axesOf, roomAtRight, type AxesLook } from './chart-axes.js';
import { themeColour } from './theme-colours.js';

export interface ChartLook extends AxesLook {
  readonly height: number;
  /** The visible part of the horizontal axis; undefined: all. */
  readonly zoom: readonly [number, number] | undefined;
  /** Lowest and highest value of the vertical axis; undefined: those of the lines. */
  readonly values: readonly [number, number] | undefined;
}

/** Where the cursor is. */
export interface ChartCursor {
  /** Value on the horizontal axis. */
  readonly x: number;
  /** Place from the left and the top of the plot, in pixels. */
  readonly left: number;
  readonly top: number;
}

export interface ChartCallbacks {
  /** Called with the cursor; undefined if it left the chart. The cursors of all charts move together. */
  readonly onCursor: (cursor: ChartCursor | undefined) => void;
  /** Called with a part selected by dragging; undefined after a double-click, which selects all. */
  readonly onZoom: (range: [number, number] | undefined) => void;
}

const DASH = [4, 4];
/** Factor on the opacity of other runs' lines while the pointer is on one run. */
const FADED = 0.12;
/** A line with at most this many points also gets a marker on each. */
const FEW = 12;
/** In pixels; in a folded section the host has no width. */
const LEAST_WIDTH = 80;
/** Selections narrower than this, in pixels, are clicks. */
const LEAST_SELECTION = 5;

/** The canvas of a chart, drawn by uPlot. Keyboard and screen readers are handled by `ChartCard`. */
export class Chart {
  #plot: uPlot | undefined;
  #key = '';
  #zoom: readonly [number, number] | undefined;
  #values: readonly [number, number] | undefined;
  #lines: readonly ChartLine[] = [];
  #emphasized: string | undefined;

  constructor(
    private readonly host: HTMLElement,
    private readonly callbacks: ChartCallbacks,
  ) {}

  draw(lines: readonly ChartLine[], look: ChartLook): void {
    const data = joined(lines, look.log);
    this.#zoom = look.zoom;
    this.#values = look.values;
    this.#lines = lines;
    const { axis, log, unit, height } = look;
    const key = JSON.stringify([
      lines.map(({ run, colour, dashed, width, alpha, x }) => [run, colour, dashed, width, alpha, x.length <= FEW]),
      [axis, log, unit, height],
    ]);
    if (this.#plot !== undefined && key === this.#key) {
      this.#plot.setData(data);
      return;
    }
    this.#key = key;
    this.#plot?.destroy();
    this.#plot = new uPlot(this.#options(lines, look), data, this.host);
    this.emphasize(this.#emphasized);
  }

  /** Frees the canvas; a later `draw` makes a new one. */
  clear(): void {
    this.#plot?.destroy();
    this.#plot = undefined;
  }

  /** Draws the other runs' lines faintly; undefined: none. */
  emphasize(run: string | undefined): void {
    this.#emphasized = run;
    const plot = this.#plot;
    if (plot === undefined) return;
    const isThere = this.#lines.some((line) => line.run === run);
    for (const [at, line] of this.#lines.entries()) {
      const series = plot.series[at + 1];
      if (series !== undefined) series.alpha = !isThere || line.run === run ? line.alpha : FADED * line.alpha;
    }
    plot.redraw(false);
  }

  /** Returns the place of a value from the top of the plot, in pixels. */
  placeOf(value: number): number {
    return this.#plot?.valToPos(value, 'y') ?? 0;
  }

  /** Returns the value of the vertical axis at a place from the top of the plot, in pixels. */
  valueAt(top: number): number | undefined {
    return this.#plot?.posToVal(top, 'y');
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

  #options(lines: readonly ChartLine[], look: ChartLook): uPlot.Options {
    const { onCursor, onZoom } = this.callbacks;
    const { axis, log, height } = look;
    return {
      width: Math.max(LEAST_WIDTH, this.host.clientWidth),
      height,
      legend: { show: false },
      padding: [8, roomAtRight(look), 0, 0],
      cursor: {
        drag: { x: true, y: false, setScale: false },
        sync: { key: axis, scales: ['x', null] },
        y: false,
        points: { size: (_, line) => (lines[line - 1]?.isMarked === true ? 7 : 0) },
        dataIdx: nearestPoint,
      },
      scales: {
        x: { time: false, range: (_, min, max) => [...(this.#zoom ?? widened(min, max))] },
        y: {
          distr: log ? uPlot.Scale.Distr.Logarithmic : uPlot.Scale.Distr.Linear,
          range: (_, min, max) => this.#valueRange(min, max, log),
        },
      },
      axes: axesOf(look),
      series: [{}, ...lines.map(lineOptions)],
      hooks: {
        setCursor: [
          ({ cursor: { idx, left = 0, top = 0 }, data }) => {
            const x = data[0][idx ?? -1];
            onCursor(x === undefined ? undefined : { x, left, top });
          },
        ],
        setSelect: [
          (plot) => {
            const { left, width } = plot.select;
            if (width < LEAST_SELECTION) return;
            onZoom([plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x')]);
            plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          },
        ],
        ready: [
          (plot) => {
            plot.over.addEventListener('dblclick', () => onZoom(undefined));
            plot.over.addEventListener('pointermove', (event) => followTouch(plot, event));
          },
        ],
      },
    };
  }

  /** Returns the vertical axis for these lowest and highest values of the lines. */
  #valueRange(min: number | null, max: number | null, log: boolean): uPlot.Range.MinMax {
    const [low, high] = this.#values ?? [min, max];
    if (low === null || high === null) return [null, null];
    if (!log) return uPlot.rangeNum(low, high, 0.1, true);
    // A shared scale may begin below 0, which a log scale cannot show.
    const least = low > 0 ? low : (min ?? high);
    const room = Math.max(1.02, (high / least) ** 0.05);
    return [least / room, high * room];
  }
}

function lineOptions({ run, colour, dashed, width, alpha, isMarked, x }: ChartLine): uPlot.Series {
  return {
    label: run,
    stroke: () => themeColour(colour),
    width,
    alpha,
    ...(dashed ? { dash: DASH } : {}),
    // Markers make few points easier to see, and a single point visible at all.
    points: { show: isMarked && x.length <= FEW, size: 5, fill: () => themeColour(colour) },
  };
}

/** A finger that moves sideways reads values; up and down it scrolls the page, as the style sheet says. */
function followTouch(plot: uPlot, { pointerType, clientX, clientY }: PointerEvent): void {
  if (pointerType !== 'touch') return;
  const { left, top } = plot.over.getBoundingClientRect();
  plot.setCursor({ left: clientX - left, top: clientY - top });
}

function widened(min: number, max: number): [number, number] {
  return min < max ? [min, max] : [min - 1, max + 1];
}
