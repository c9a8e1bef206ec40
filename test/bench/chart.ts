import { scaleLinear } from 'd3-scale';
import { line } from 'd3-shape';

export interface Curve {
  readonly label: string;
  /** Points: position on the horizontal axis, and validation loss in nats. */
  readonly points: readonly (readonly [number, number])[];
  /** Default: the next colour and dashes. */
  readonly look?: { readonly colour: string; readonly dashes: string };
}

const WIDTH = 900;
const HEIGHT = 400;
/** The legend is to the right of the plot, since falling curves leave no corner free. */
const MARGIN = { top: 20, right: 240, bottom: 45, left: 55 };
const COLOURS = ['#1f77b4', '#d62728', '#2ca02c', '#9467bd'];
const DASHES = ['', '7 4', '2 3', '9 3 2 3'];

/** Draws validation losses as SVG. @param along label of the horizontal axis */
export function chart(all: readonly Curve[], along: string): string {
  const points = all.flatMap((curve) => curve.points);
  const losses = points.map(([, loss]) => loss);
  const x = scaleLinear([0, Math.max(...points.map(([at]) => at))], [MARGIN.left, WIDTH - MARGIN.right]).nice();
  const y = scaleLinear([Math.min(...losses), Math.max(...losses)], [HEIGHT - MARGIN.bottom, MARGIN.top]).nice();
  const path = line<readonly [number, number]>(
    ([at]) => x(at),
    ([, loss]) => y(loss),
  );
  const xTicks = x
    .ticks(8)
    .map(
      (tick) =>
        `<line x1="${x(tick)}" x2="${x(tick)}" y1="${MARGIN.top}" y2="${HEIGHT - MARGIN.bottom}" class="grid"/><text x="${x(tick)}" y="${HEIGHT - MARGIN.bottom + 18}" text-anchor="middle">${tick.toLocaleString('en')}</text>`,
    );
  const yTicks = y
    .ticks(7)
    .map(
      (tick) =>
        `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${y(tick)}" y2="${y(tick)}" class="grid"/><text x="${MARGIN.left - 8}" y="${y(tick) + 4}" text-anchor="end">${tick}</text>`,
    );
  const lines = all.map(({ label, points: of, look }, i) => {
    const { colour, dashes } = look ?? { colour: COLOURS[i % 4], dashes: DASHES[i % 4] };
    const style = `stroke="${colour}" stroke-dasharray="${dashes}" fill="none" stroke-width="2"`;
    const at = MARGIN.top + 16 + 20 * i;
    const left = WIDTH - MARGIN.right + 10;
    return `<path d="${path(of) ?? ''}" ${style}/><line x1="${left}" x2="${left + 30}" y1="${at - 4}" y2="${at - 4}" ${style}/><text x="${left + 38}" y="${at}">${label}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="13" role="img" aria-label="validation loss against ${along}">
<style>.grid { stroke: #ccc; stroke-width: 0.5 } text { fill: #333 }</style>
<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>
${[...xTicks, ...yTicks, ...lines].join('\n')}
<text x="${(MARGIN.left + WIDTH - MARGIN.right) / 2}" y="${HEIGHT - 6}" text-anchor="middle">${along}</text>
<text transform="translate(16 ${HEIGHT / 2}) rotate(-90)" text-anchor="middle">validation loss, nats</text>
</svg>
`;
}
