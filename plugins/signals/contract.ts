/** Signals of this process, for commands: a run that a program makes gets none of them. It loads nothing else. */
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
