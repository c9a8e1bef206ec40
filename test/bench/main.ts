// `npm run bench`: compares the engines with PyTorch for docs/reference/performance.md, and ranks for
// docs/reference/scaling.md.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { probeEngines, shortName } from '../../plugins/engines/choice/choice.js';
import { parts } from './parts.js';
import { writeSections } from './report.js';
import { shapeOf, shapes } from './shapes.js';

interface Flags {
  readonly shapes: string;
  readonly precision: string;
  readonly parts: string;
  readonly json?: string;
  readonly write: boolean;
}

const reference = fileURLToPath(new URL('../../../docs/reference/', import.meta.url));

const program = new Command('npm run bench --')
  .description('measure the native engine beside PyTorch (PEER_PYTHON names a Python that has torch)')
  .option('--shapes <names>', `any of ${Object.keys(shapes).join(',')}`, Object.keys(shapes).join(','))
  .option('--precision <format>', 'f32, bf16, or auto: f32, and the engine’s own choice', 'auto')
  .option('--parts <names>', `any of ${Object.keys(parts).join(',')}`, Object.keys(parts).join(','))
  .option('--json <file>', 'write the figures as JSON too')
  .option('--no-write', 'leave docs/reference/performance.md and docs/reference/scaling.md as they are')
  .parse();
const flags = program.opts<Flags>();

const asked = new Set(chosen('parts', flags.parts, Object.keys(parts)));
const askedShapes = chosen('shapes', flags.shapes, Object.keys(shapes));
const [precision = 'auto'] = chosen('precision', flags.precision, ['auto', 'f32', 'bf16']);
const allShapes = askedShapes.length === Object.keys(shapes).length;
const working = (await probeEngines()).filter(({ probe }) => probe.works);
if (!working.some(({ plugin }) => shortName(plugin) === 'native')) {
  program.error('the native engine is not built here; `espalier doctor` says why');
}
const python = process.env['PEER_PYTHON'];
if (python === undefined) say('PEER_PYTHON names no Python with torch: PyTorch is not measured');

const sections = { 'performance.md': new Map<string, string>(), 'scaling.md': new Map<string, string>() };
const figures: Record<string, unknown> = {};
for (const [name, measure] of Object.entries(parts)) {
  if (!asked.has(name)) continue;
  const measured = await measure({
    shapes: new Map(askedShapes.map((shape) => [shape, shapeOf(shape)])),
    allShapes,
    precisions: precision === 'auto' ? ['f32', 'auto'] : [precision],
    working,
    python,
    say,
  });
  if (measured === undefined) continue;
  figures[name] = measured.figures;
  for (const [section, text] of Object.entries(measured.sections)) {
    sections[measured.page].set(section, text);
    process.stdout.write(`\n${text}\n`);
  }
}

if (flags.json !== undefined) await writeFile(flags.json, `${JSON.stringify(figures, undefined, 2)}\n`);
if (flags.write) {
  const whole = {
    'performance.md': allShapes && precision === 'auto' && python !== undefined,
    'scaling.md': allShapes,
  };
  for (const page of ['performance.md', 'scaling.md'] as const) {
    if (whole[page]) await writeSections(path.join(reference, page), sections[page]);
    else if (sections[page].size > 0) say(`docs/reference/${page} keeps its figures: these are not all of them`);
  }
}

function chosen(option: string, given: string, known: readonly string[]): string[] {
  const names = given.split(',').filter((name) => name !== '');
  const wrong = names.find((name) => !known.includes(name));
  if (wrong !== undefined) program.error(`--${option} ${wrong}: choose from ${known.join(', ')}`, { exitCode: 2 });
  return names;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
