import { isOnGpu, type ProbedEngine, shortName } from '../../plugins/engines/choice/choice.js';
import { measureAnalysis, type AnalysisPlan } from './analysis.js';
import { measureCliffs, MOST } from './cliffs.js';
import { measureData } from './data.js';
import { measureLoop } from './loop.js';
import { measurePrepare } from './prepare.js';
import { measureProfiler } from './profiler.js';
import { measureRanks } from './ranks.js';
import { averagesSection, modelSection, ranksSection } from './ranks-report.js';
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
  stepSection,
  variantsSection,
} from './report.js';
import { measureSampling, samplingSection } from './sampling.js';
import { measureScaling } from './scaling.js';
import { shapeOf, type Shape } from './shapes.js';
import { measureStarting, startingSection } from './starting.js';
import { measureLlamas, measureOnGpu, measurePretrained, measureSteps } from './steps.js';
import { measureVariants } from './variants.js';
import { compileAll, compileSection, CUDA_VARIABLE } from './xla/compile.js';

/** What the user asked for, and what this machine has. */
export interface BenchRequest {
  /** Shapes by name. */
  readonly shapes: ReadonlyMap<string, Shape>;
  /** Whether `shapes` are all there are. */
  readonly allShapes: boolean;
  readonly precisions: readonly string[];
  /** Engines that work here. */
  readonly working: readonly ProbedEngine[];
  /** A Python with PyTorch. */
  readonly python: string | undefined;
  readonly say: (line: string) => void;
}

export interface Measured {
  /** For `--json`. */
  readonly figures: unknown;
  /** The page in docs/reference that shows it. */
  readonly page: 'performance.md' | 'scaling.md';
  /** Markdown by the name of the page's section. */
  readonly sections: Readonly<Record<string, string>>;
}

/** Measures one part; undefined if this machine cannot. */
type Part = (request: BenchRequest) => Promise<Measured | undefined>;

/** Parts of the benchmark by name, in the order in which they run. */
export const parts: Readonly<Record<string, Part>> = {
  step: async ({ shapes, precisions, working, python, say }) => {
    const engines = working
      .map(({ plugin }) => shortName(plugin))
      .filter((engine) => engine === 'tensorflow' || engine === 'wasm');
    const results = await measureSteps({ shapes, precisions, engines, python, say });
    const sections = { machine: machine(results), step: stepSection(results) };
    return { figures: results, page: 'performance.md', sections };
  },
  pretrained: async ({ python, say }) =>
    measured('pretrained', await measurePretrained({ precisions: ['f32', 'auto'], python, say }), stepSection),
  plain: async ({ python, say }) => measured('plain', await measureLlamas({ python, say }), stepSection),
  sampling: async ({ python, say }) => measured('sampling', await measureSampling(python, say), samplingSection),
  starting: async ({ say }) => measured('starting', await measureStarting(say), startingSection),
  gpu: async ({ working, python, say }) => {
    if (!working.some(({ probe }) => isOnGpu(probe))) {
      say('gpu: no engine that may be chosen finds a GPU here; `espalier doctor` says why');
      return undefined;
    }
    const results = await measureOnGpu({ python, say });
    const gpu = [machine(results), stepSection(results), hostSection(results)].join('\n\n');
    return { figures: results, page: 'performance.md', sections: { gpu } };
  },
  loop: async ({ shapes, say }) => {
    const results = await eachOf(LOOP_STEPS, shapes, (name, shape, steps) => measureLoop(name, shape, steps, say));
    return measured('loop', results, loopSection);
  },
  model: async ({ say }) => measured('model', await measureVariants(shapeOf('char-base'), say), variantsSection),
  cliffs: async ({ shapes, allShapes, say }) => {
    const results = await measureCliffs(allShapes ? undefined : [...shapes.keys()], say);
    const found = results.filter(({ ratio }) => ratio > MOST);
    for (const { shape, option, ratio } of found) {
      say(`cliff: ${shape} with ${option} takes ${ratio.toFixed(2)} times the plain step, over ${String(MOST)}`);
    }
    if (found.length > 0) process.exitCode = 1;
    return measured('cliffs', results, cliffsSection);
  },
  data: async ({ say }) => measured('data', await measureData(shapeOf('char-small'), say), dataSection),
  prepare: async ({ python, say }) =>
    measured('prepare', await measurePrepare({ ...PREPARE, python, say }), prepareSection),
  scaling: async ({ say }) => measured('scaling', await measureScaling(shapeOf('char-base'), say), scalingSection),
  analysis: async ({ shapes, say }) => {
    const results = await eachOf(ANALYSES, shapes, (name, shape, plan) => {
      say(`${name}: with and without analysis`);
      return measureAnalysis(name, shape, plan);
    });
    return measured('analysis', results, analysisSection);
  },
  profiler: async ({ shapes, say }) => {
    const results = await eachOf(LOOP_STEPS, shapes, (name, shape, steps) => measureProfiler(name, shape, steps, say));
    return measured('profiler', results, profilerSection);
  },
  ranks: async ({ shapes, say }) => {
    const results = await measureRanks(shapes, say);
    const sections = {
      averages: averagesSection(results),
      ranks: ranksSection(results),
      model: modelSection(results),
    };
    return { figures: results, page: 'scaling.md', sections };
  },
  'xla-compile': async ({ say }) => {
    const folder = process.env[CUDA_VARIABLE];
    if (folder === undefined) {
      say(`xla-compile: ${CUDA_VARIABLE} names no folder of .ci/xla-cuda`);
      return undefined;
    }
    return measured('xla-compile', await compileAll(folder, say), compileSection);
  },
};

const PREPARE = { megabytes: 300, workers: 2, rounds: 3 };
const ANALYSES: Readonly<Record<string, AnalysisPlan>> = {
  'char-small': { evaluationInterval: 100, interval: 12, analyses: 9 },
  'char-base': { evaluationInterval: 20, interval: 40, analyses: 1 },
};
const LOOP_STEPS: Readonly<Record<string, number>> = { 'char-small': 1000, 'char-base': 50 };

function measured<T>(section: string, results: readonly T[], render: (results: readonly T[]) => string): Measured {
  return { figures: results, page: 'performance.md', sections: { [section]: render(results) } };
}

/** Measures the shapes that have a plan, one after the other. */
async function eachOf<P, R>(
  plans: Readonly<Record<string, P>>,
  shapes: ReadonlyMap<string, Shape>,
  measure: (name: string, shape: Shape, plan: P) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  for (const [name, shape] of shapes) {
    const plan = plans[name];
    if (plan !== undefined) results.push(await measure(name, shape, plan));
  }
  return results;
}
