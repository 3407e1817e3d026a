/** Why a release can't be made. */
export type ReleaseRulesErrorCode =
  | 'INVALID_VERSION'
  | 'SEVERAL_VERSION_TAGS'
  | 'BUILD_METADATA'
  | 'INVALID_TAG'
  | 'UNKNOWN_HISTORY';

/** A version or a set of tags that a release can't be made of. */
export class ReleaseRulesError extends Error {
  override readonly name = 'ReleaseRulesError';
  readonly code: ReleaseRulesErrorCode;
  /** What the reader can do about it. */
  readonly hint: string | undefined;

  constructor(
    code: ReleaseRulesErrorCode,
    message: string,
    options: { readonly hint?: string; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}
