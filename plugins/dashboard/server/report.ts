import { version } from '../../../core/index.js';
import { importMap, inScript, pageHtml, pageModules, pageStyle, uplotModule } from './page-files.js';
import { pickPoints } from '../page/series.js';
import type { Column, ReportData } from '../page/protocol.js';
import { RunReader } from './run-reader.js';

/** Points that are kept of a metric are about twice as many, with so many digits each. */
const WIDTH = 500;
const DIGITS = 7;
/** Nothing that the page names is asked of a network: the browser holds it to that. */
const POLICY = "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data:";

/**
 * The report of a run: the dashboard's page with the numbers in it, in one file that asks for no other.
 * @param folder of the run
 * @param name as it is shown
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

/** JSON has no NaN. */
function rounded(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(DIGITS)) : null;
}

function head(): string {
  // A module of a data: URL has no place that `./` could be relative to: in the file they have names.
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
