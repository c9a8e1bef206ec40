import { HostProcess, type SaveSignal, type StopSignal } from '../../../core/index.js';

/** A simulated process for a test's run: the test sends its signals, and the real process is unaffected. */
export class TestProcess implements HostProcess {
  readonly #onStop = new Set<(signal: StopSignal) => void>();
  readonly #onSave = new Set<() => void>();
  #isSaveWaiting = false;
  /** The code with which the run would have ended the process at once; undefined if it did not. */
  exitCode: number | undefined;

  /** How many listeners wait for a signal. */
  get listening(): number {
    return this.#onStop.size + this.#onSave.size;
  }

  onStop(listener: (signal: StopSignal) => void): () => void {
    this.#onStop.add(listener);
    return () => this.#onStop.delete(listener);
  }

  onSave(listener: () => void): () => void {
    this.#onSave.add(listener);
    return () => this.#onSave.delete(listener);
  }

  takeWaitingSave(): boolean {
    const came = this.#isSaveWaiting;
    this.#isSaveWaiting = false;
    return came;
  }

  deliver(signal: StopSignal | SaveSignal): void {
    if (signal === 'SIGUSR1') {
      if (this.#onSave.size === 0) this.#isSaveWaiting = true;
      for (const listener of [...this.#onSave]) listener();
    } else for (const listener of [...this.#onStop]) listener(signal);
  }

  pluginsMade(): void {
    // Do nothing: signals arrive when the test sends them.
  }

  exit(code: number): void {
    this.exitCode ??= code;
  }
}
