/** Commands and options: what a file of `commands/` or `options/` exports, and what it is written with. */
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
/** What else a command needs before it has loaded anything large. */
export { EspalierError, FailedRun, messageOf, UsageError } from '../../core/errors.js';
export { version } from '../../core/installation.js';
export { Terminal } from '../../core/terminal.js';
export { exitCodeOfSignal, onSave, onStop, type SaveSignal, type StopSignal } from '../signals/contract.js';
