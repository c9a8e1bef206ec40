import { version } from '../../../core/index.js';
import { importMap, inScript, pageHtml, pageModules, pageStyle, uplotModule } from './page-files.js';
import { pickPoints } from '../page/series.js';
import type { Column, ReportData } from '../page/protocol.js';
import { RunReader } from './run-reader.js';

/** Width in pixels to thin metrics for: about twice as many points are kept. */
const WIDTH = 500;
/** Significant digits of each value. */
const DIGITS = 7;
/** Makes the browser refuse all network requests of the report. */
const POLICY = "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data:";

/**
 * Makes the report of a run: the dashboard's page with its data in one self-contained HTML file.
 * @param folder the run folder
 * @param name the run's name as shown
 */
export async function reportOf(folder: string, name: string): Promise<string> {
  const reader = new RunReader(name, folder);
  await reader.refresh();
  const run = reader.summary();
  const columns = run.metrics.flatMap(({ name: metric }): [string, Column][] => {
    const column = reader.column(metric);
    return column === undefined ? [] : [[metric, thinned(column)]];
  });
  const data: ReportData = {
    made: new Date().toISOString(),
    espalier: version,
    run,
    details: reader.details(),
    columns: Object.fromEntries(columns),
  };
  return pageHtml(`${name} – Espalier`, `${head()}\n${dataScript(data)}`);
}

function thinned({ iterations, tokens, values }: Column): Column {
  const picked = pickPoints(iterations, values, 0, values.length, WIDTH);
  return {
    iterations: picked.map((at) => iterations[at] ?? 0),
    tokens: picked.map((at) => tokens[at] ?? 0),
    values: picked.map((at) => rounded(values[at] ?? NaN)),
  };
}

/** Returns null for values that JSON does not have. */
function rounded(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(DIGITS)) : null;
}

function head(): string {
  // `./` cannot be resolved in a module from a data: URL, so modules import each other by name through the import map.
  const modules = [...pageModules()].map(([name, text]): [string, string] => [
    `page/${name}`,
    text.replaceAll(/ from '\.\/([\w-]+)\.js'/g, " from 'page/$1'"),
  ]);
  const imports = Object.fromEntries(
    [...modules, ['uplot', uplotModule()] as const].map(([name, text]) => [name, dataUrl(text)]),
  );
  return [
    `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`,
    `<style>${pageStyle()}</style>`,
    importMap(imports),
    `<script type="module">import 'page/main';</script>`,
  ].join('\n');
}

function dataScript(data: ReportData): string {
  return `<script type="application/json" id="report-data">${inScript(JSON.stringify(data))}</script>`;
}

function dataUrl(text: string): string {
  return `data:text/javascript;base64,${Buffer.from(text).toString('base64')}`;
}
