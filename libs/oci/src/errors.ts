/** What went wrong with an image, a layout or a registry. */
export type OciErrorCode =
  | 'INVALID_DIGEST'
  | 'INVALID_LAYOUT'
  | 'DIGEST_MISMATCH'
  | 'SIZE_MISMATCH'
  | 'INVALID_LAYER'
  | 'LAYER_LIMIT'
  | 'INVALID_REFERENCE'
  | 'CREDENTIALS'
  | 'REGISTRY_UNAVAILABLE'
  | 'REGISTRY_REFUSED'
  | 'REGISTRY_UNAUTHORIZED'
  | 'REGISTRY_NOT_FOUND'
  | 'REGISTRY_RESPONSE';

/** An image, layout or registry operation that could not be done. */
export class OciError extends Error {
  override readonly name = 'OciError';
  readonly code: OciErrorCode;
  /** What the reader can do about it. */
  readonly hint: string | undefined;

  constructor(
    code: OciErrorCode,
    message: string,
    options: { readonly hint?: string; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}
