import { createHash } from 'node:crypto';
import { OciError } from './errors.ts';

/**
 * A content digest: `sha256:` followed by 64 lowercase hexadecimal digits.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests
 */
export type Digest = string & { readonly __brand: 'Digest' };

const SHA256 = /^sha256:[0-9a-f]{64}$/;

/** Whether this text is a digest that the project accepts. */
export function isDigest(text: string): text is Digest {
  return SHA256.test(text);
}

/** Parses a digest. Throws `INVALID_DIGEST` for anything other than a SHA-256 digest. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new OciError(
    'INVALID_DIGEST',
    `digest: expected "sha256:" and 64 lowercase hexadecimal digits, found ${JSON.stringify(text.slice(0, 120))}`,
  );
}

/** The digest of bytes held in memory. */
export function digestOf(content: Uint8Array | string): Digest {
  return digestFromHex(createHash('sha256').update(content).digest('hex'));
}

/** The digest with these hexadecimal digits, as returned by `createHash('sha256')`. */
export function digestFromHex(hex: string): Digest {
  return parseDigest(`sha256:${hex}`);
}

/** The hexadecimal digits of a digest: the name of its blob in an image layout. */
export function digestHex(digest: Digest): string {
  return digest.slice('sha256:'.length);
}
