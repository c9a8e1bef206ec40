import path from 'node:path';
import { compareInLockstep, Twin, type Difference, type LockstepResult } from './lockstep.js';
import { comparingRuns, SCOPE } from '../training/child-training.js';
import { print, type ConfigFlags } from '../../command-line/contract.js';

const EXIT_FAILED = 1;

/**
 * Runs the first iterations of a run twice, in two processes in lockstep, and prints what is equal, or the first tensor
 * that differs.
 * @returns the exit code: 1 if something differs
 */
export async function verifyDeterminism(flags: ConfigFlags & { json?: boolean }, iterations: number): Promise<number> {
  const { difference, ...done } = await runTwice(flags, iterations);
  const same = [
    ...(difference?.iteration === 0 ? [] : ['the weights at the start']),
    ...(done.iterations === 0 ? [] : [`batches, gradients and weights of ${String(done.iterations)} iterations`]),
  ];
  print(flags.json, { same, difference: plain(difference), iterations: done.iterations, scope: SCOPE }, () =>
    [
      ...same.map((what) => `the same: ${what}`),
      ...(difference === undefined && done.iterations < iterations
        ? [`the run ended after ${String(done.iterations)} of ${String(iterations)} iterations`]
        : []),
      difference === undefined ? 'The two runs are the same, bit for bit.' : `DIFFERENT: ${described(difference)}`,
      SCOPE,
    ].join('\n'),
  );
  return difference === undefined ? 0 : EXIT_FAILED;
}

async function runTwice(flags: ConfigFlags, iterations: number): Promise<LockstepResult> {
  return comparingRuns((runs) => {
    const start = (name: string): Twin => {
      const { process, ended } = runs.start(flags, [
        `run.dir=${JSON.stringify(path.join(runs.folder, name))}`,
        `plugins.determinism-check={iterations: ${String(iterations)}}`,
      ]);
      return new Twin(process, ended);
    };
    return compareInLockstep([start('one'), start('two')]);
  });
}

function described({ what, iteration, tensor, shape, at, values, differing, largest }: Difference): string {
  const names = { weights: 'the weight', gradients: 'the gradient of', batch: 'the batch,' };
  const when = iteration === 0 ? 'before the first iteration' : `iteration ${String(iteration)}`;
  const size = shape.reduce((product, each) => product * each, 1);
  const how = `${String(differing)} of ${String(size)} elements differ, by at most ${String(largest)}`;
  return `${when}: ${names[what]} ${tensor} [${shape.join(', ')}] differs first at [${at.join(', ')}]: ${values.map(String).join(' and ')} (${how})`;
}

/** Converts NaN and Infinity to strings, since JSON has neither. */
function plain(difference: Difference | undefined): object | null {
  if (difference === undefined) return null;
  const number = (value: number): number | string => (Number.isFinite(value) ? value : String(value));
  return { ...difference, values: difference.values.map(number), largest: number(difference.largest) };
}
