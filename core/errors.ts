/**
 * An error that its reader can act on: the message says what is wrong, where, and what to do.
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

/** Wrong usage, config or input: the command line answers it with exit code 2, having created nothing. */
export class UsageError extends EspalierError {
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(code, message, options);
    this.name = 'UsageError';
  }
}

/** A listener, constructor or hook of a plugin threw; `cause` is what it threw. */
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

/** A run failed with `cause`, and left what it can go on from: `advice` says how. */
export class FailedRun extends Error {
  constructor(
    cause: unknown,
    readonly advice: string,
  ) {
    super(messageOf(cause), { cause });
    this.name = 'FailedRun';
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The error itself, or the first cause below it, that is the user's to mend (exit code 2). */
export function usageErrorIn(thrown: unknown): UsageError | undefined {
  if (thrown instanceof UsageError) return thrown;
  return thrown instanceof Error ? usageErrorIn(thrown.cause) : undefined;
}

/** True when there is such an error. */
export function isUsageError(thrown: unknown): boolean {
  return usageErrorIn(thrown) !== undefined;
}
