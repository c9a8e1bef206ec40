import { z } from 'zod';
import {
  HostProcess,
  inject,
  Logger,
  On,
  Plugin,
  PluginConfig,
  RunControl,
  type StopSignal,
} from '../../core/index.js';
import { exitCodeOfSignal } from './process/signals.js';

const options = z
  .strictObject({
    hangup: z
      .enum(['stop', 'ignore'])
      .default('stop')
      .describe('effect of SIGHUP; ignore: the run survives its terminal (nohup is not enough, since Node resets it)'),
  })
  .meta({ resume: 'free' });

/** npm forwards a signal that the terminal has sent to the whole group, so it arrives twice within this time. */
const SAME_SIGNAL_MS = 250;
/** Signals that the system repeats: SIGHUP also arrives from the shell, and SIGXCPU every second. */
const REPEATED: readonly StopSignal[] = ['SIGHUP', 'SIGXCPU'];

@Plugin({
  name: 'signals',
  summary:
    'SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGXCPU or SIGUSR2 stops the run after the iteration, with an emergency checkpoint; a second one stops it at once. SIGUSR1 saves and continues.',
  config: options,
})
export default class Signals {
  /** When the first stop signal was received, by `performance.now()`. */
  #asked: number | undefined;
  #hasStarted = false;
  #hasIterated = false;
  /** Whether to save a checkpoint after the first iteration. */
  #isSaveWaiting = false;
  #hasLoggedIgnored = false;
  readonly #stopListening: (() => void)[] = [];

  constructor(
    @inject(PluginConfig) private readonly config: z.output<typeof options>,
    @inject(RunControl) private readonly control: RunControl,
    @inject(Logger) private readonly log: Logger,
    @inject(HostProcess) private readonly host: HostProcess,
  ) {
    this.#stopListening.push(host.onStop(this.#stop));
  }

  @On('run:start')
  listen(): void {
    this.#hasStarted = true;
    this.#stopListening.push(this.host.onSave(this.#save));
    if (this.host.takeWaitingSave()) this.#save();
  }

  /** A save requested before the first iteration waits for it: until then there is nothing new to save. */
  @On('iteration:end')
  saveWaiting(): void {
    this.#hasIterated = true;
    if (!this.#isSaveWaiting) return;
    this.#isSaveWaiting = false;
    this.control.requestCheckpoint('latest');
  }

  dispose(): void {
    for (const stop of this.#stopListening) stop();
  }

  readonly #stop = (signal: StopSignal): void => {
    if (signal === 'SIGHUP' && this.config.hangup === 'ignore') {
      if (!this.#hasLoggedIgnored) this.log.info('SIGHUP is ignored (plugins.signals.hangup)');
      this.#hasLoggedIgnored = true;
      return;
    }
    const exitCode = exitCodeOfSignal(signal);
    // Before the run starts there is nothing to save.
    if (!this.#hasStarted) {
      this.host.exit(exitCode);
      return;
    }
    if (this.#asked !== undefined) {
      if (REPEATED.includes(signal) || performance.now() - this.#asked < SAME_SIGNAL_MS) return;
      this.host.exit(exitCode);
      return;
    }
    this.#asked = performance.now();
    this.log.warn(`${signal}: stopping after this iteration, with a checkpoint (again to stop at once)`);
    this.control.requestStop(signal, exitCode);
    this.control.requestCheckpoint('emergency');
  };

  readonly #save = (): void => {
    this.log.info(`SIGUSR1: saving a checkpoint after ${this.#hasIterated ? 'this' : 'the first'} iteration`);
    if (this.#hasIterated) this.control.requestCheckpoint('latest');
    else this.#isSaveWaiting = true;
  };
}
