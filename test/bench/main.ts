// `npm run bench`: compares the native engine with PyTorch for docs/reference/performance.md, and ranks for
// docs/reference/scaling.md.
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { isOnGpu, probeEngines, shortName } from '../../plugins/engines/choice/choice.js';
import { measureAnalysis, type AnalysisPlan } from './analysis.js';
import { measureCliffs, MOST } from './cliffs.js';
import { measureLoop } from './loop.js';
import { measureData } from './data.js';
import { measurePrepare } from './prepare.js';
import { measureProfiler } from './profiler.js';
import {
  analysisSection,
  cliffsSection,
  dataSection,
  hostSection,
  loopSection,
  machine,
  prepareSection,
  profilerSection,
  scalingSection,
  variantsSection,
  stepSection,
  writeSections,
} from './report.js';
import { measureRanks } from './ranks.js';
import { averagesSection, modelSection, ranksSection } from './ranks-report.js';
import { measureSampling, samplingSection } from './sampling.js';
import { measureScaling } from './scaling.js';
import { shapes, type Shape } from './shapes.js';
import { measureStarting, startingSection } from './starting.js';
import { measureOnGpu, measureLlamas, measurePretrained, measureSteps } from './steps.js';
import { measureVariants } from './variants.js';
import { compileAll, compileSection, CUDA_VARIABLE } from './xla/compile.js';

interface Flags {
  readonly shapes: string;
  readonly precision: string;
  readonly parts: string;
  readonly json?: string;
  readonly write: boolean;
}

const PARTS = [
  'step',
  'pretrained',
  'plain',
  'sampling',
  'starting',
  'gpu',
  'loop',
  'model',
  'cliffs',
  'data',
  'prepare',
  'scaling',
  'analysis',
  'profiler',
  'ranks',
  'xla-compile',
];
const PREPARE = { megabytes: 300, workers: 2, rounds: 3 };
const ANALYSES: Readonly<Record<string, AnalysisPlan>> = {
  'char-small': { evaluationInterval: 100, interval: 12, analyses: 9 },
  'char-base': { evaluationInterval: 20, interval: 40, analyses: 1 },
};
const page = fileURLToPath(new URL('../../../docs/reference/performance.md', import.meta.url));
const ranksPage = fileURLToPath(new URL('../../../docs/reference/scaling.md', import.meta.url));
const LOOP_STEPS: Readonly<Record<string, number>> = { 'char-small': 1000, 'char-base': 50 };

const program = new Command('npm run bench --')
  .description('measure the native engine beside PyTorch (PEER_PYTHON names a Python that has torch)')
  .option('--shapes <names>', `any of ${Object.keys(shapes).join(',')}`, Object.keys(shapes).join(','))
  .option('--precision <format>', 'f32, bf16, or auto: f32, and what the engine takes by itself', 'auto')
  .option('--parts <names>', `any of ${PARTS.join(',')}`, PARTS.join(','))
  .option('--json <file>', 'write the figures as JSON too')
  .option('--no-write', 'leave docs/reference/performance.md and docs/reference/scaling.md as they are')
  .parse();
const flags = program.opts<Flags>();

const parts = chosen('parts', flags.parts, PARTS);
const asked = new Map(chosen('shapes', flags.shapes, Object.keys(shapes)).map((name) => [name, shapeOf(name)]));
const working = (await probeEngines()).filter(({ probe }) => probe.works);
const engines = working.map(({ plugin }) => shortName(plugin));
if (!engines.includes('native')) program.error('the native engine is not built here; `espalier doctor` says why');
const python = process.env['PEER_PYTHON'];
if (python === undefined) say('PEER_PYTHON names no Python with torch: ours alone is measured');

const sections = new Map<string, string>();
const figures: Record<string, unknown> = {};
if (parts.includes('step')) {
  const [precision] = chosen('precision', flags.precision, ['auto', 'f32', 'bf16']);
  const precisions = precision === 'auto' ? ['f32', 'auto'] : [precision ?? 'f32'];
  const others = engines.filter((engine) => engine === 'tensorflow' || engine === 'wasm');
  const results = await measureSteps({ shapes: asked, precisions, engines: others, python, say });
  figures['machine'] = machine(results);
  figures['step'] = results;
  sections.set('machine', machine(results));
  sections.set('step', stepSection(results));
}
if (parts.includes('pretrained')) {
  const results = await measurePretrained({ precisions: ['f32', 'auto'], python, say });
  figures['pretrained'] = results;
  sections.set('pretrained', stepSection(results));
}
if (parts.includes('plain')) {
  const results = await measureLlamas({ python, say });
  figures['plain'] = results;
  sections.set('plain', stepSection(results));
}
if (parts.includes('sampling')) {
  const results = await measureSampling(python, say);
  figures['sampling'] = results;
  sections.set('sampling', samplingSection(results));
}
if (parts.includes('starting')) {
  const results = await measureStarting(say);
  figures['starting'] = results;
  sections.set('starting', startingSection(results));
}
if (parts.includes('gpu')) {
  if (working.some(({ probe }) => isOnGpu(probe))) {
    const results = await measureOnGpu({ python, say });
    figures['gpu'] = results;
    sections.set('gpu', `${machine(results)}\n\n${stepSection(results)}\n\n${hostSection(results)}`);
  } else say('gpu: no engine that may be chosen finds a GPU here; `espalier doctor` says why');
}
if (parts.includes('loop')) {
  const results = [];
  for (const [name, shape] of asked) {
    const steps = LOOP_STEPS[name];
    if (steps === undefined) continue;
    results.push(await measureLoop(name, shape, steps, say));
  }
  figures['loop'] = results;
  sections.set('loop', loopSection(results));
}
if (parts.includes('model')) {
  const results = await measureVariants(shapeOf('char-base'), say);
  figures['model'] = results;
  sections.set('model', variantsSection(results));
}
if (parts.includes('cliffs')) {
  const names = asked.size < Object.keys(shapes).length ? [...asked.keys()] : undefined;
  const results = await measureCliffs(names, say);
  figures['cliffs'] = results;
  sections.set('cliffs', cliffsSection(results));
  const found = results.filter(({ ratio }) => ratio > MOST);
  for (const { shape, option, ratio } of found) {
    say(`cliff: ${shape} with ${option} takes ${ratio.toFixed(2)} times the plain step, over ${String(MOST)}`);
  }
  if (found.length > 0) process.exitCode = 1;
}
if (parts.includes('data')) {
  const results = await measureData(shapeOf('char-small'), say);
  figures['data'] = results;
  sections.set('data', dataSection(results));
}
if (parts.includes('prepare')) {
  const results = await measurePrepare({ ...PREPARE, python, say });
  figures['prepare'] = results;
  sections.set('prepare', prepareSection(results));
}
if (parts.includes('scaling')) {
  const results = await measureScaling(shapeOf('char-base'), say);
  figures['scaling'] = results;
  sections.set('scaling', scalingSection(results));
}
if (parts.includes('analysis')) {
  const results = [];
  for (const [name, shape] of asked) {
    const plan = ANALYSES[name];
    if (plan === undefined) continue;
    say(`${name}: with and without analysis`);
    results.push(await measureAnalysis(name, shape, plan));
  }
  figures['analysis'] = results;
  sections.set('analysis', analysisSection(results));
}
if (parts.includes('profiler')) {
  const results = [];
  for (const [name, shape] of asked) {
    const steps = LOOP_STEPS[name];
    if (steps !== undefined) results.push(await measureProfiler(name, shape, steps, say));
  }
  figures['profiler'] = results;
  sections.set('profiler', profilerSection(results));
}
if (parts.includes('xla-compile')) {
  const folder = process.env[CUDA_VARIABLE];
  if (folder === undefined) say(`xla-compile: ${CUDA_VARIABLE} names no folder of .ci/xla-cuda`);
  else {
    const results = await compileAll(folder, say);
    figures['xla-compile'] = results;
    sections.set('xla-compile', compileSection(results));
  }
}
const ranksSections = new Map<string, string>();
if (parts.includes('ranks')) {
  const results = await measureRanks(asked, say);
  figures['ranks'] = results;
  ranksSections.set('averages', averagesSection(results));
  ranksSections.set('ranks', ranksSection(results));
  ranksSections.set('model', modelSection(results));
}

for (const section of [...sections.values(), ...ranksSections.values()]) process.stdout.write(`\n${section}\n`);
if (flags.json !== undefined) await writeFile(flags.json, `${JSON.stringify(figures, undefined, 2)}\n`);
if (flags.write && asked.size === Object.keys(shapes).length) await writeSections(ranksPage, ranksSections);
const partial = asked.size < Object.keys(shapes).length || flags.precision !== 'auto' || python === undefined;
if (flags.write && partial) say('docs/reference/performance.md keeps its figures: these are not all of them');
else if (flags.write) await writeSections(page, sections);

function chosen(option: string, given: string, known: readonly string[]): string[] {
  const names = given.split(',').filter((name) => name !== '');
  const wrong = names.find((name) => !known.includes(name));
  if (wrong !== undefined) program.error(`--${option} ${wrong}: choose from ${known.join(', ')}`, { exitCode: 2 });
  return names;
}

function shapeOf(name: string): Shape {
  const shape = shapes[name];
  if (shape === undefined) throw new Error(`no shape ${name}`);
  return shape;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
