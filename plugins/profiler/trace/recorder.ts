import type { EventBus, RunState, Sections, Spy } from '../../../core/index.js';
import { listenToThreads } from '../threads/thread-spans.js';
import { watchKernels } from './kernels.js';
import type { Spans } from './spans.js';

/** What to record. */
export interface Watched {
  readonly bus: EventBus;
  readonly sections: Sections;
  readonly state: RunState;
  /** Name of the engine's tfjs backend. */
  readonly backend: string;
}

/** Records everything that a run does as spans: iterations, events, plugins, sections, kernels and worker threads. */
export class Recorder {
  #stops: (() => void)[] = [];

  constructor(
    private readonly watched: Watched,
    private readonly spans: Spans,
  ) {}

  get isOn(): boolean {
    return this.#stops.length > 0;
  }

  /** @param beforeEvent called first, even while not recording; it may start or stop the recorder */
  watchEvents(beforeEvent: NonNullable<Spy['beforeEvent']>): () => void {
    const { bus, state } = this.watched;
    return bus.spy({
      beforeEvent: (event) => {
        beforeEvent(event);
        if (!this.isOn) return;
        if (event === 'iteration:start') this.spans.begin('iteration', `iteration ${String(state.iteration)}`);
        this.spans.begin('event', event);
      },
      afterEvent: (event) => {
        this.spans.end('event', event);
        if (event === 'iteration:end') this.spans.end('iteration', `iteration ${String(state.iteration - 1)}`);
      },
      before: ({ plugin, event }) => {
        if (this.isOn) this.spans.begin('plugin', plugin, { event });
      },
      after: ({ plugin }) => {
        this.spans.end('plugin', plugin);
      },
    });
  }

  start(): void {
    const { spans } = this;
    const { sections, backend } = this.watched;
    this.#stops = [
      sections.watch({
        begin: (name) => {
          spans.begin('section', name);
        },
        end: (name) => {
          spans.end('section', name);
        },
      }),
      watchKernels(backend, {
        begin: (kernel, shapes) => {
          spans.begin('kernel', kernel, shapes);
        },
        end: (kernel) => {
          spans.end('kernel', kernel);
        },
      }),
      listenToThreads((span) => {
        spans.thread(span);
      }),
    ];
  }

  /** Stops recording, and ends open spans. */
  stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
    this.spans.endAll();
  }
}
