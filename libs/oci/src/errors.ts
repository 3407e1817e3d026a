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

/** What a registry answered where it did not do what was asked. */
export interface RegistryRefusal {
  readonly status: number;
  /** The codes of its errors (`BLOB_UNKNOWN`, …). */
  readonly codes: readonly string[];
  /** Its own words; empty where it said nothing. */
  readonly words: string;
}

/**
 * An image, layout or registry operation that could not be done. The message is one line that may be printed, whatever a
 * registry put into it.
 */
export class OciError extends Error {
  override readonly name = 'OciError';
  readonly code: OciErrorCode;
  /** What the reader can do about it. */
  readonly hint: string | undefined;
  /** What the registry answered, where the error is such an answer. */
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
