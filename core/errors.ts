/**
 * An error that the reader can act on: the message says what is wrong, where, and what to do.
 * `code` is stable (`ESP_…`) and listed in `docs/reference/errors.md`.
 */
export class EspalierError extends Error {
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'EspalierError';
  }
}

/** Wrong usage, config or input: the command exits with code 2 and creates nothing. */
export class UsageError extends EspalierError {
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(code, message, options);
    this.name = 'UsageError';
  }
}

/** A plugin's listener, constructor or hook threw `cause`. */
export class PluginError extends EspalierError {
  constructor(
    readonly plugin: string,
    readonly where: string,
    cause: unknown,
  ) {
    super('ESP_PLUGIN_FAILED', `plugin ${plugin} failed at ${where}: ${messageOf(cause)}`, { cause });
    this.name = 'PluginError';
  }
}

/** A run that failed with `cause` and can be resumed: `advice` says how. */
export class FailedRun extends Error {
  constructor(
    cause: unknown,
    readonly advice: string,
  ) {
    super(messageOf(cause), { cause });
    this.name = 'FailedRun';
  }
}

/** Returns the message of any thrown value. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Returns the error itself or the first error in its chain of causes that the user can fix (exit code 2). */
export function usageErrorIn(thrown: unknown): UsageError | undefined {
  if (thrown instanceof UsageError) return thrown;
  return thrown instanceof Error ? usageErrorIn(thrown.cause) : undefined;
}

/** Returns true if there is such an error. */
export function isUsageError(thrown: unknown): boolean {
  return usageErrorIn(thrown) !== undefined;
}
