import { InvalidArgumentError } from 'commander';
import { type OptionsDefinition } from '../../command-line/contract.js';
import { UsageError } from '../../../core/errors.js';

interface TraceFlags {
  trace?: string;
  traceIterations?: IterationRange;
}

/** `train --trace FILE`, and `--trace-iterations` */
export const options: OptionsDefinition = (command) => {
  command
    .option('--trace <file>', 'write a trace of the first 50 iterations for ui.perfetto.dev')
    .option('--trace-iterations <range>', 'iterations to trace: 20 (the first 20) or 100-119', iterationRange);
  return {
    // Passed on for this process only: a run that resumes later is not traced again.
    request(request) {
      const { trace, traceIterations } = command.opts<TraceFlags>();
      if (trace !== undefined) {
        return { ...request, passing: { ...request.passing, trace: { file: trace, ...traceIterations } } };
      }
      if (traceIterations === undefined) return request;
      throw new UsageError('ESP_USAGE', '--trace-iterations needs --trace FILE');
    },
  };
};

/** Consecutive iterations, from `first` or from the run's current iteration. */
interface IterationRange {
  readonly first?: number;
  readonly iterations: number;
}

/** Parses `20` (a count) or `100-119` (first and last). @throws InvalidArgumentError for anything else */
function iterationRange(text: string): IterationRange {
  const [from, to, ...more] = text.split('-').map((part) => (/^\d+$/.test(part) ? Number(part) : NaN));
  if (from !== undefined && from > 0 && to === undefined) return { iterations: from };
  if (from !== undefined && to !== undefined && to >= from && more.length === 0) {
    return { first: from, iterations: to - from + 1 };
  }
  throw new InvalidArgumentError(
    'give a number of iterations, such as 20, or the first and the last, such as 100-119.',
  );
}
