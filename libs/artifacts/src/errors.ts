/** What is wrong with a platform name, a manifest or a checksums file. */
export type ArtifactsErrorCode =
  | 'INVALID_PLATFORM'
  | 'INVALID_NAME'
  | 'MANIFEST_MISSING'
  | 'INVALID_MANIFEST'
  | 'INVALID_CHECKSUMS'
  | 'INVALID_REPORT'
  | 'INVALID_RECORD';

/** A platform name, manifest, checksums file or report that can't be used. */
export class ArtifactsError extends Error {
  override readonly name = 'ArtifactsError';
  readonly code: ArtifactsErrorCode;
  /** What the reader can do about it. */
  readonly hint: string | undefined;

  constructor(
    code: ArtifactsErrorCode,
    message: string,
    options: { readonly hint?: string; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}
