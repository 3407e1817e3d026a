/** What kept an executor from doing its work. */
export type PrebuiltErrorCode =
  | 'ARTIFACT_CHANGED'
  | 'BUILDER'
  | 'COMPILE_FAILED'
  | 'ENGINE'
  | 'GITHUB'
  | 'INTERRUPTED'
  | 'INVALID_OPTIONS'
  | 'LOCKFILE'
  | 'OUTPUT'
  | 'RELEASE_CONFLICT'
  | 'RELEASE_INCOMPLETE'
  | 'PUBLISH'
  | 'READ_BACK'
  | 'TAG_EXISTS'
  | 'RUNTIME_INTEGRITY'
  | 'RUNTIME_UNAVAILABLE'
  | 'SBOM'
  | 'SIGN'
  | 'SYSROOT'
  | 'TOOLCHAIN'
  | 'VERIFY_REPORT'
  | 'VERSION';

/** An executor's work could not be done; the message names the thing, what was expected and what was found. */
export class PrebuiltError extends Error {
  override readonly name = 'PrebuiltError';
  readonly code: PrebuiltErrorCode;
  /** What the reader can do about it. */
  readonly hint: string | undefined;

  constructor(
    code: PrebuiltErrorCode,
    message: string,
    options: { readonly hint?: string; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}
