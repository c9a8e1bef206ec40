import { totalmem } from 'node:os';
import { UsageError } from '../../../core/errors.js';
import type { MemoryNeed } from '../../../core/index.js';
import { failedAt, isSection, problems, type PlannedRun } from '../../../core/runs.js';

const BYTES_PER_NUMBER = 4;
/** A trained weight has at least a gradient. */
const GRADIENT = 1;
/** Allow more than the machine's memory, because of swap, and of GPUs with memory of their own. */
const BEYOND = 2;
const BEYOND_GPU = 16;

/** See `Models.checkMemory`. @param memory in bytes */
export function checkMemory(
  { plugins, composed, batchSize, numbersPerTrained: held }: PlannedRun,
  vocabSize: number,
  memory = machineMemory(),
): string | undefined {
  const model = plugins.find(({ options }) => options.slot === 'model');
  if (model?.class.memoryNeeded === undefined) return undefined;
  const estimate = (config: unknown, windows = batchSize): MemoryNeed | undefined =>
    model.class.memoryNeeded?.(config, { batchSize: windows ?? 1, vocabSize });
  const need = estimate(model.config);
  if (need === undefined) return undefined;
  const isTrained = batchSize !== undefined;
  const least = bytesOf(need, isTrained, GRADIENT);
  const usual = bytesOf(need, isTrained, held);
  const engine = plugins.find(({ options }) => options.slot === 'engine');
  const most = memory * (engine?.class.mayHaveGpu?.() === true ? BEYOND_GPU : BEYOND);
  if (usual.all <= memory) return undefined;
  const parts = isTrained
    ? `${size(usual.state)} for weights, gradients and optimizer, ${size(usual.passing)} for a micro-batch of ${String(batchSize)}`
    : `${size(usual.state)} for weights`;
  const what = `the run would need ${size(usual.all)} of memory or more (${parts}), and there is ${size(memory)}`;
  if (least.all <= most) return `${what}: it may not fit; lower ${largest().join('.')}`;
  const path = largest();
  throw problems([failedAt(path, new UsageError('ESP_MEMORY', `${what}; lower it`), composed)]);

  /** Returns the option that affects the memory most: the one that saves most if set to 1. */
  function largest(): readonly string[] {
    const { config, path: at } = model ?? { config: {}, path: [] };
    const options = isSection(config) ? Object.entries(config) : [];
    const left = options
      .filter(([, value]) => typeof value === 'number' && Number.isInteger(value) && value > 1)
      .map(([key]) => ({ path: [...at, key], all: total(estimate({ ...Object(config), [key]: 1 })) }));
    if (isTrained) left.push({ path: ['train', 'batch_size'], all: total(estimate(config, 1)) });
    return left.reduce((best, each) => (each.all < best.all ? each : best), { path: [...at], all: Infinity }).path;
  }

  function total(of: MemoryNeed | undefined): number {
    return of === undefined ? Infinity : bytesOf(of, isTrained, held).all;
  }
}

/** Returns the machine's memory, or this process's limit (of a container), in bytes. */
function machineMemory(): number {
  const allowed = process.constrainedMemory();
  return allowed > 0 ? Math.min(allowed, totalmem()) : totalmem();
}

function bytesOf(
  { weights, trained, activations }: MemoryNeed,
  isTrained: boolean,
  copies: number,
): { state: number; passing: number; all: number } {
  const state = BYTES_PER_NUMBER * (weights + (isTrained ? copies * trained : 0));
  const passing = isTrained ? activations : 0;
  return { state, passing, all: state + passing };
}

function size(bytes: number): string {
  const units = ['MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
  const index = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(bytes) / 10) - 2));
  return `${(bytes / 2 ** (10 * (index + 2))).toFixed(1)} ${units[index] ?? ''}`;
}
