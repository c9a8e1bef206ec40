import { EspalierError } from '../errors.js';
import type { EventBus } from '../events/bus.js';

/**
 * What `work` comes to.
 * @throws EspalierError naming plugin and event where nothing is left in this process that could ever end it: Node would
 * exit without a word
 */
export async function unlessStuck<T>(bus: EventBus, work: T | Promise<T>): Promise<T> {
  let stop = (): void => undefined;
  const stuck = new Promise<never>((_, reject) => {
    const tell = (): void => {
      reject(new EspalierError('ESP_PLUGIN_STUCK', whatFor(bus)));
    };
    process.once('beforeExit', tell);
    stop = (): void => {
      process.off('beforeExit', tell);
    };
  });
  try {
    return await Promise.race([work, stuck]);
  } finally {
    stop();
  }
}

function whatFor({ running }: EventBus): string {
  const innermost = running.at(-1);
  if (innermost === undefined) return 'the run waits for a promise that nothing will settle: a plugin returned it';
  const { plugin, event } = innermost;
  return `plugin ${plugin} returned a promise from its listener of ${event} that nothing will settle: look there for an await that never ends`;
}
