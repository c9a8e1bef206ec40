import { z } from 'zod';
import { Engine, Ranks, Tunables, type CheckpointState, type LoadedCheckpoint } from '../../../core/index.js';
import { engineOf, microBatches, type Run } from '../../../core/runs.js';

/** Returns warnings for a run that resumes on another number of ranks, or another engine, than its checkpoint's. */
export function differences({ config, container }: Run, { state }: LoadedCheckpoint): string[] {
  const iteration = microBatches(config.train, container.resolve(Tunables));
  const ranks = otherRanks(state, { ranks: container.resolve(Ranks).size, ...iteration });
  const engine = otherEngine(state, engineOf(container.resolve(Engine)));
  return [ranks, engine].filter((line) => line !== undefined);
}

function otherEngine({ engine: was }: CheckpointState, now: string): string | undefined {
  if (was === undefined || was === now) return undefined;
  const [before, after] = [precisionIn(was), precisionIn(now)];
  const isOther = before !== undefined && after !== undefined && before !== after;
  const keep = isOther ? `; --set precision=${before} keeps the precision` : '';
  return `the checkpoint was computed with ${was}, this run computes with ${now}: the run resumes, but its results will not be bit-identical to an uninterrupted run${keep}`;
}

/** Finds the precision in an engine's description: `native: avx512 kernels, f32, 2 threads`. */
function precisionIn(engine: string): string | undefined {
  return /, (f32|bf16),/.exec(engine)?.[1];
}

/** The product of these is the number of windows that one iteration trains on. */
interface IterationSize {
  readonly ranks: number;
  /** Windows in a micro-batch of one rank. */
  readonly batchSize: number;
  readonly accumulation: number;
}

const trainSchema = z.object({
  train: z.object({ batch_size: z.number(), gradient_accumulation_steps: z.number() }),
});

/** Returns the warning for another number of ranks. */
function otherRanks(from: CheckpointState, now: IterationSize): string | undefined {
  const was = sizeOf(from);
  if (was === undefined || was.ranks === now.ranks) return undefined;
  const [before, after] = [windowsOf(was), windowsOf(now)];
  const told = `the checkpoint was saved on ${count(was.ranks)}, this run has ${count(now.ranks)}${ownStates(from)}: an iteration trains on`;
  if (before === after)
    return `${told} ${String(after)} windows as before, and the data continues from the same position`;
  const kept = before / (now.ranks * now.batchSize);
  const keep = Number.isInteger(kept) ? `; train.gradient_accumulation_steps=${String(kept)} keeps them` : '';
  return `${told} ${String(after)} windows instead of ${String(before)}${keep}. The data continues from the same position`;
}

/** States that differed between ranks cannot be kept on another number of ranks. */
function ownStates({ others = {} }: CheckpointState): string {
  const names = new Set(Object.values(others).flatMap(({ plugins }) => Object.keys(plugins)));
  return names.size === 0
    ? ''
    : ` (each takes rank 0's state of ${[...names].join(', ')}, which differed between ranks)`;
}

function sizeOf({ ranks = 1, config, tunables }: CheckpointState): IterationSize | undefined {
  const { data } = trainSchema.safeParse(config);
  if (data === undefined) return undefined;
  const { batch_size, gradient_accumulation_steps } = data.train;
  return {
    ranks,
    batchSize: tunables['batch_size']?.value ?? batch_size,
    accumulation: tunables['gradient_accumulation_steps']?.value ?? gradient_accumulation_steps,
  };
}

function windowsOf({ ranks, batchSize, accumulation }: IterationSize): number {
  return ranks * batchSize * accumulation;
}

function count(ranks: number): string {
  return ranks === 1 ? 'one rank' : `${String(ranks)} ranks`;
}
