import { constants } from 'node:os';
import { inject, Logger, On, Plugin, RunControl } from '../../core/index.js';

/** Open MPI's mpirun passes SIGUSR2 on, and not SIGTERM before it kills: `espalier launch` sends it in its place. */
const STOPPING = ['SIGINT', 'SIGTERM', 'SIGUSR2'] as const;
const EXIT_CODE_OF_SIGNALS = 128;
/** npm passes on a signal that the terminal sent to the whole group: the same one comes twice within this time. */
const SAME_SIGNAL_MS = 250;

@Plugin({
  name: 'signals',
  summary:
    'SIGINT, SIGTERM or SIGUSR2 ends the run after the iteration, with an emergency checkpoint, a second one at once; SIGUSR1 saves and goes on.',
})
export default class Signals {
  /** When the first came, in milliseconds. */
  #asked: number | undefined;

  constructor(
    @inject(RunControl) private readonly control: RunControl,
    @inject(Logger) private readonly log: Logger,
  ) {
    for (const signal of STOPPING) process.on(signal, this.#leave);
  }

  @On('run:start')
  listen(): void {
    for (const signal of STOPPING) process.off(signal, this.#leave);
    for (const signal of STOPPING) process.on(signal, this.#stop);
    process.on('SIGUSR1', this.#save);
  }

  dispose(): void {
    for (const signal of STOPPING) process.off(signal, this.#stop).off(signal, this.#leave);
    process.off('SIGUSR1', this.#save);
  }

  /** Before the run starts there is nothing to save; as process 1 of a container nothing else would end it. */
  readonly #leave = (signal: (typeof STOPPING)[number]): void => {
    process.exit(EXIT_CODE_OF_SIGNALS + constants.signals[signal]);
  };

  readonly #stop = (signal: (typeof STOPPING)[number]): void => {
    const exitCode = EXIT_CODE_OF_SIGNALS + constants.signals[signal];
    if (this.#asked !== undefined) {
      if (performance.now() - this.#asked < SAME_SIGNAL_MS) return;
      process.exit(exitCode);
    }
    this.#asked = performance.now();
    this.log.warn(`${signal}: stopping after this iteration, with a checkpoint (again to stop at once)`);
    this.control.requestStop(signal, exitCode);
    this.control.requestCheckpoint('emergency');
  };

  readonly #save = (): void => {
    this.log.info('SIGUSR1: saving a checkpoint after this iteration');
    this.control.requestCheckpoint('latest');
  };
}
