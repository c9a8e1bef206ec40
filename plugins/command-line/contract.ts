/** Types and helpers for files in `commands/` and `options/`. */
export type { CommandDefinition, CommandHooks, OptionsDefinition, SetExitCode } from './shell/definition.js';
export {
  commandName,
  listOption,
  mainFile,
  print,
  requestOf,
  setOption,
  wholeFrom,
  withConfigFlags,
  type ConfigFlags,
} from './shell/options.js';
export { aligned } from './printing/aligned.js';
/** What else commands need; loads nothing large. */
export { EspalierError, FailedRun, messageOf, UsageError } from '../../core/errors.js';
export { version } from '../../core/installation.js';
export { Terminal } from '../../core/terminal.js';
export { exitCodeOfSignal, onSave, onStop, type SaveSignal, type StopSignal } from '../signals/contract.js';
