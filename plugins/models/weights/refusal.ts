import { UsageError } from '../../../core/index.js';

/** Returns the error for weights named by `init` that cannot be used. @param todo what the user should do */
export function refusal(what: string, todo: string, cause?: unknown): UsageError {
  return new UsageError('ESP_PRETRAINED', `${what}; ${todo}`, { cause });
}
