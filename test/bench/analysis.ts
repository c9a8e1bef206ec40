import { makeRun } from '../../core/run/make.js';
import { Terminal } from '../../core/terminal.js';
import { inFolder } from './folder.js';
import { settingsOf, type Shape } from './shapes.js';
import { median } from './statistics.js';

export interface AnalysisPlan {
  /** Iterations between evaluations. */
  readonly evaluationInterval: number;
  /** Evaluations between analyses: longer than an analysis takes. */
  readonly interval: number;
  readonly analyses: number;
}

export interface AnalysisResult {
  readonly shape: string;
  readonly analyses: number;
  readonly iterationMilliseconds: number;
  /** Median time of an analysis. */
  readonly cpuSeconds: number;
  /** Median time that the training loop loses to an analysis on the other thread. */
  readonly lostSeconds: number;
}

/**
 * Measures a run that analyses between some evaluations only, and compares each interval with an analysis with the
 * intervals after it, in one process.
 */
export function measureAnalysis(name: string, shape: Shape, plan: AnalysisPlan): Promise<AnalysisResult> {
  return inFolder(async (cwd) => {
    const { run } = await makeRun({
      cwd,
      presets: ['char-small'],
      set: [
        ...settingsOf(shape),
        'engine=native',
        'train.max_iters=1000000',
        `plugins.evaluation={interval: ${String(plan.evaluationInterval)}, iters: 1}`,
        'plugins.checkpoint=false',
        `plugins.analysis={interval: ${String(plan.interval)}, max_cost: 1}`,
      ],
      terminal: new Terminal({ quiet: true }),
    });
    try {
      await run.setUp();
      const stretches: Stretch[] = [];
      const cpuSeconds: number[] = [];
      let last = 0;
      run.bus.listen({ plugin: 'bench', event: 'metrics', critical: true }, ({ values }) => {
        const took = values['analysis/cpu_seconds'];
        if (took !== undefined) cpuSeconds.push(took);
      });
      // Split half way between two evaluations: each stretch holds one evaluation and the whole cost of an analysis.
      run.bus.listen({ plugin: 'bench', event: 'iteration:start', critical: true }, ({ iteration }) => {
        if (iteration % plan.evaluationInterval !== Math.floor(plan.evaluationInterval / 2)) return;
        const now = performance.now();
        if (last > 0) stretches.push({ milliseconds: now - last, done: cpuSeconds.length });
        last = now;
        if (stretches.length === plan.analyses * plan.interval) run.control.requestStop('the benchmark is over');
      });
      await run.train();
      return { shape: name, analyses: plan.analyses, ...summary(stretches, cpuSeconds, plan) };
    } finally {
      await run.dispose();
    }
  });
}

interface Stretch {
  readonly milliseconds: number;
  /** Analyses finished before the run ended. */
  readonly done: number;
}

function summary(stretches: readonly Stretch[], cpuSeconds: readonly number[], plan: AnalysisPlan) {
  const idle: number[] = [];
  const lost: number[] = [];
  for (let analysis = 0; analysis < plan.analyses; analysis++) {
    const own = stretches.slice(analysis * plan.interval, (analysis + 1) * plan.interval);
    const busy = own.findIndex(({ done }) => done > analysis) + 1;
    const after = own.slice(busy).map(({ milliseconds }) => milliseconds);
    if (busy === 0 || after.length === 0) throw new Error('an analysis took until the next: raise the interval');
    idle.push(...after);
    lost.push(own.slice(0, busy).reduce((sum, { milliseconds }) => sum + milliseconds - median(after), 0));
  }
  return {
    iterationMilliseconds: median(idle) / plan.evaluationInterval,
    cpuSeconds: median(cpuSeconds),
    lostSeconds: median(lost) / 1000,
  };
}
