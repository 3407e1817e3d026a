export { type Digest, digestFromHex, digestHex, digestOf, isDigest, parseDigest } from './digest.ts';
export { OciError, type OciErrorCode } from './errors.ts';
