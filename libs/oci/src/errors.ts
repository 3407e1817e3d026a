import { cleanText } from './outside-text.ts';

/** What went wrong with an image, a layout or a registry. */
export type OciErrorCode =
  | 'INVALID_DIGEST'
  | 'INVALID_LAYOUT'
  | 'DIGEST_MISMATCH'
  | 'SIZE_MISMATCH'
  | 'INVALID_LAYER'
  | 'LAYER_LIMIT'
  | 'INVALID_ARCHIVE'
  | 'ARCHIVE_LIMIT'
  | 'INVALID_REFERENCE'
  | 'CREDENTIALS'
  | 'REGISTRY_UNAVAILABLE'
  | 'REGISTRY_REFUSED'
  | 'REGISTRY_UNAUTHORIZED'
  | 'REGISTRY_NOT_FOUND'
  | 'REGISTRY_RESPONSE';

/** A registry's response when it refuses a request. */
export interface RegistryRefusal {
  readonly status: number;
  /** The error codes in the response (`BLOB_UNKNOWN`, …). */
  readonly codes: readonly string[];
  /** The registry's own message; empty if it gave none. */
  readonly words: string;
}

/**
 * A failed image, layout or registry operation. The message is a single line that is safe to print, whatever a registry
 * put into it.
 */
export class OciError extends Error {
  override readonly name = 'OciError';
  readonly code: OciErrorCode;
  /** What the user can do about it. */
  readonly hint: string | undefined;
  /** The registry's response, if that is what caused the error. */
  readonly refusal: RegistryRefusal | undefined;

  constructor(
    code: OciErrorCode,
    message: string,
    options: {
      readonly hint?: string | undefined;
      readonly cause?: unknown;
      readonly refusal?: RegistryRefusal | undefined;
    } = {},
  ) {
    super(cleanText(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.refusal = options.refusal;
  }
}
