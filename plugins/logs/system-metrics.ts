import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { z } from 'zod';
import { EventBus, inject, On, Plugin, PluginConfig, type IterationEnd } from '../../core/index.js';

const MEGABYTE = 1e6;
const MICROSECONDS = 1000;

const options = z
  .strictObject({
    interval: z
      .number()
      .min(0)
      .default(15)
      .describe('seconds between values, which are published at the end of an iteration'),
  })
  .meta({ resume: 'free' });

/** Counters in milliseconds, since the start of the machine or the process. */
interface Clock {
  readonly wall: number;
  readonly idle: number;
  readonly all: number;
  readonly process: number;
}

@Plugin({
  name: 'system-metrics',
  summary: 'Publishes processor and memory use, of the machine and of the run.',
  config: options,
  critical: false,
  metrics: {
    'system/cpu_percent': {
      unit: '%',
      what: 'share of the machine’s processor time in use, since the last value',
      clock: true,
    },
    'system/process_cpu_percent': {
      unit: '%',
      what: 'share of all processors’ time used by the run, since the last value',
      clock: true,
    },
    'system/memory_percent': { unit: '%', what: 'share of the machine’s memory in use', clock: true },
    'system/process_rss_mb': { unit: 'MB', what: 'memory of the run (resident set size)', clock: true },
  },
})
export default class SystemMetrics {
  #last = clock();

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(EventBus) private readonly bus: EventBus,
  ) {}

  @On('run:start')
  start(): void {
    this.#last = clock();
  }

  /**
   * Checks the time at the end of each iteration. A timer would keep the process alive, and fire during an iteration.
   */
  @On('iteration:end')
  publish({ iteration }: IterationEnd): void | Promise<void> {
    if (performance.now() - this.#last.wall < 1000 * this.config.interval) return;
    const before = this.#last;
    const now = (this.#last = clock());
    const all = now.all - before.all;
    const values = {
      // The system counts in ticks of 10 ms; without one there is no value.
      ...(all > 0 ? { 'system/cpu_percent': busy(now.idle - before.idle, all) } : {}),
      'system/process_cpu_percent':
        (100 * (now.process - before.process)) / ((now.wall - before.wall) * availableParallelism()),
      'system/memory_percent': 100 * (1 - freemem() / totalmem()),
      'system/process_rss_mb': process.memoryUsage.rss() / MEGABYTE,
    };
    return this.bus.dispatch('metrics', { iteration: iteration + 1, values });
  }
}

/** Returns the busy share in percent. Clamped, since the system's idle time may go back a little. */
function busy(idle: number, all: number): number {
  return 100 * Math.min(1, Math.max(0, 1 - idle / all));
}

function clock(): Clock {
  const { user, system } = process.cpuUsage();
  let idle = 0;
  let all = 0;
  for (const { times } of cpus()) {
    idle += times.idle;
    all += times.user + times.nice + times.sys + times.irq + times.idle;
  }
  return { wall: performance.now(), idle, all, process: (user + system) / MICROSECONDS };
}
