import type uPlot from 'uplot';
import type { Axis } from './protocol.js';
import { themeColour } from './theme-colours.js';
import { formatTicks, formatTimeTick, logTicks, TIME_STEPS } from './ticks.js';

export interface AxesLook {
  readonly axis: Axis;
  readonly log: boolean;
  readonly unit: string;
  /** Whether there is little room for labels. */
  readonly isSmall: boolean;
}

const FONT = '12px system-ui, sans-serif';
/** Widths in pixels: of a character at most, and of the tick and the gaps next to a label. */
const CHARACTER = 7.5;
const BESIDE = 12;

/** Returns the horizontal and the vertical axis of a chart. */
export function axesOf({ axis, log, unit, isSmall }: AxesLook): uPlot.Axis[] {
  const look = {
    stroke: () => themeColour('--muted'),
    grid: { stroke: () => themeColour('--grid'), width: 1 },
    ticks: { stroke: () => themeColour('--grid'), width: 1, size: 4 },
    font: FONT,
  };
  const numbers = { values: numberTexts, space: isSmall ? 40 : 60 };
  return [
    { ...look, ...(axis === 'time' ? timeTicks : numbers), size: isSmall ? 24 : 32 },
    {
      ...look,
      values: unit === 'share' ? percentTexts : numberTexts,
      ...(log ? { splits: (_, __, min, max) => logTicks(min, max, isSmall ? 5 : 8), filter: (_, ticks) => ticks } : {}),
      size: (_, texts) => Math.max(isSmall ? 42 : 60, widest(texts)),
    },
  ];
}

/** Returns the room right of the plot, for half of the last label, in pixels. */
export function roomAtRight({ axis, isSmall }: AxesLook): number {
  return axis === 'time' ? 30 : isSmall ? 14 : 20;
}

const timeTicks: Pick<uPlot.Axis, 'values' | 'incrs' | 'space'> = {
  values: (_, ticks) => ticks.map(formatTimeTick),
  incrs: TIME_STEPS,
  // Minutes with seconds are long.
  space: (_, __, ___, max) => (max <= 60 ? 40 : 80),
};

function numberTexts(_: uPlot, ticks: number[]): string[] {
  return formatTicks(ticks);
}

function percentTexts(_: uPlot, ticks: number[]): string[] {
  return formatTicks(ticks.map((tick) => 100 * tick)).map((text) => `${text} %`);
}

/** @param texts null until there are any */
function widest(texts: readonly string[] | null): number {
  return BESIDE + CHARACTER * Math.max(0, ...(texts ?? []).map(({ length }) => length));
}
