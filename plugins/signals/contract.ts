/** Signals of this process, for commands: a run made from code gets none. Loads nothing else. */
export {
  commandProcess,
  deliver,
  exitCodeOfSignal,
  handleSignals,
  holdHangup,
  onSave,
  onStop,
  serveHangup,
  stopSignals,
  takeWaitingSave,
} from './process/signals.js';
export type { SaveSignal, StopSignal } from '../../core/index.js';
