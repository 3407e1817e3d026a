/** Why the engine could not be started, stopped or used. */
export type EngineErrorCode =
  | 'INVALID_ARGUMENTS'
  | 'NOT_ROOT'
  | 'NOT_DEBIAN'
  | 'NO_DEBIAN_SOURCE'
  | 'APT'
  | 'PORT_TAKEN'
  | 'BUSY'
  | 'START_FAILED'
  | 'STOP_FAILED'
  | 'EMULATION'
  | 'STATE'
  | 'UNAVAILABLE';

/** An engine operation failed. The message names the subject, what was expected and what was found. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly code: EngineErrorCode;
  /** What to do about it. */
  readonly hint: string | undefined;

  constructor(
    code: EngineErrorCode,
    message: string,
    options: { readonly hint?: string; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}
