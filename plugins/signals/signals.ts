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
      .describe('what SIGHUP does; ignore: the run survives its terminal (nohup alone does not work, Node resets it)'),
  })
  .meta({ resume: 'free' });

/** npm passes on a signal that the terminal sent to the whole group: the same one comes twice within this time. */
const SAME_SIGNAL_MS = 250;
/** The system repeats these: a terminal's end reaches a process from its shell too, and SIGXCPU comes every second. */
const REPEATED: readonly StopSignal[] = ['SIGHUP', 'SIGXCPU'];

@Plugin({
  name: 'signals',
  summary:
    'SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGXCPU or SIGUSR2 ends the run after the iteration, with an emergency checkpoint, a second one at once; SIGUSR1 saves and continues.',
  config: options,
})
export default class Signals {
  /** When the first came, in milliseconds. */
  #asked: number | undefined;
  #hasStarted = false;
  #hasIterated = false;
  /** A checkpoint is to be saved after the first iteration. */
  #isSaveWaiting = false;
  #isIgnoredTold = false;
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

  /** Where the run starts from is on disk already, or is nothing yet. */
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
      if (!this.#isIgnoredTold) this.log.info('SIGHUP is ignored (plugins.signals.hangup)');
      this.#isIgnoredTold = true;
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
