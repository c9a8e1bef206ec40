import { constants } from 'node:os';
import { inject, Logger, On, Plugin, RunControl } from '../../core/index.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const EXIT_CODE_OF_SIGNALS = 128;

@Plugin({
  name: 'signals',
  summary: 'SIGINT or SIGTERM ends the run after the iteration, with an emergency checkpoint; a second one at once.',
})
export default class Signals {
  #asked = false;

  constructor(
    @inject(RunControl) private readonly control: RunControl,
    @inject(Logger) private readonly log: Logger,
  ) {}

  @On('run:start')
  listen(): void {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
  }

  dispose(): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
  }

  readonly #onSignal = (signal: (typeof SIGNALS)[number]): void => {
    const exitCode = EXIT_CODE_OF_SIGNALS + constants.signals[signal];
    if (this.#asked) process.exit(exitCode);
    this.#asked = true;
    this.log.warn(`${signal}: stopping after this iteration, with a checkpoint (again to stop at once)`);
    this.control.requestStop(signal, exitCode);
    this.control.requestCheckpoint('emergency');
  };
}
