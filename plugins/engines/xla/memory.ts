import type { ProgramMemory } from './pjrt/client.js';

const GIGABYTE = 1e9;

/** The state when memory is exhausted. */
export interface Shortage {
  /** Rows of the batch that the program computes. */
  readonly rows: number;
  /** Devices among which the rows are divided; 1 by default. */
  readonly devices?: number | undefined;
  /** On each device. */
  readonly program: ProgramMemory;
  /** Bytes of the device's memory that are not in use; the program's arguments are already allocated. */
  readonly free: number;
}

/** Returns advice for exhausted memory. */
export function memoryAdvice(shortage: Shortage | undefined): string {
  if (shortage === undefined)
    return 'the device’s memory is too small; set a smaller train.batch_size and a larger train.gradient_accumulation_steps';
  const { rows, free, devices = 1 } = shortage;
  const [needed, there] = [needOf(shortage, rows), Math.max(0, free)].map((size) => (size / GIGABYTE).toFixed(1));
  const missing = `the device’s memory is too small: ${needed ?? ''} GB are needed, and ${there ?? ''} GB are free`;
  const fitting = fittingRows(shortage);
  return fitting === undefined
    ? `${missing}; not even train.batch_size: ${String(devices)} fits, so choose a smaller model or block_size, or free the device`
    : `${missing}; train.batch_size: ${String(fitting)} (now ${String(rows)}) fits, with ${String(rows / fitting)} times the train.gradient_accumulation_steps for the same steps`;
}

/** Returns the most rows that fit, divide the batch, and are divided by the devices; undefined if not even one row per device fits. */
export function fittingRows(shortage: Shortage): number | undefined {
  const { rows, free, devices = 1 } = shortage;
  for (let parts = 2; parts <= rows; parts++)
    if (rows % (parts * devices) === 0 && needOf(shortage, rows / parts) <= free) return rows / parts;
  return undefined;
}

/** Returns the bytes needed in addition to the arguments: gradients do not depend on the rows, other temporaries do. */
function needOf({ rows, program }: Shortage, size: number): number {
  const { outputs, replaced, temporary } = program;
  // A step replaces weights and two moments; its gradients have the size of the weights and are temporary.
  const gradients = Math.min(temporary, replaced / 3);
  return outputs - replaced + gradients + ((temporary - gradients) * size) / rows;
}
