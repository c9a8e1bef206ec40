import { UsageError } from '../../../core/index.js';

/** The error for weights that `init` names and that cannot be used. @param todo what to do about it */
export function refusal(what: string, todo: string, cause?: unknown): UsageError {
  return new UsageError('ESP_PRETRAINED', `${what}; ${todo}`, { cause });
}
