import { EspalierError } from '../errors.js';
import type { EventBus } from '../events/bus.js';

/**
 * Returns the result of `work`.
 * @throws EspalierError naming plugin and event if it can never finish, because nothing is left to do in this process:
 * Node would exit without a message
 */
export async function unlessStuck<T>(bus: EventBus, work: T | Promise<T>): Promise<T> {
  let tell = (): void => undefined;
  const stuck = new Promise<never>((_, reject) => {
    tell = () => {
      reject(new EspalierError('ESP_PLUGIN_STUCK', whatFor(bus)));
    };
  });
  if (waiting.size === 0) process.on('beforeExit', tellAll);
  waiting.add(tell);
  try {
    return await Promise.race([work, stuck]);
  } finally {
    waiting.delete(tell);
    if (waiting.size === 0) process.off('beforeExit', tellAll);
  }
}

/** Shared by all runs, because Node warns of more than ten listeners on the process. */
const waiting = new Set<() => void>();

function tellAll(): void {
  for (const tell of waiting) tell();
}

function whatFor({ running }: EventBus): string {
  const innermost = running.at(-1);
  if (innermost === undefined) return 'the run waits for a promise of a plugin that will never settle';
  const { plugin, event } = innermost;
  return `plugin ${plugin} returned a promise from its listener of ${event} that will never settle: look there for an await that never ends`;
}
