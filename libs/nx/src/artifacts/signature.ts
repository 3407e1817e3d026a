import * as v from 'valibot';
import { PrebuiltError } from '../errors.ts';
import { CHECKSUMS_FILE } from './checksums.ts';

/** The name of the bundle with the signature of the checksums. Both are on the release page. */
export const SIGNATURE_FILE = `${CHECKSUMS_FILE}.sigstore.json`;

const envelope = v.object({
  dsseEnvelope: v.object({ payload: v.string(), payloadType: v.literal('application/vnd.in-toto+json') }),
});
const statement = v.object({
  predicateType: v.string(),
  subject: v.array(v.object({ digest: v.record(v.string(), v.string()) })),
});

/**
 * The SHA-256 of every subject in a Sigstore bundle's in-toto statement. The signature isn't verified here; users
 * verify it after downloading. Throws `INVALID_SIGNATURE` for anything other than such a bundle.
 * https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto
 * https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
 */
export function signedDigests(text: string, source: string): readonly string[] {
  try {
    const { dsseEnvelope } = v.parse(envelope, JSON.parse(text));
    const payload = Buffer.from(dsseEnvelope.payload, 'base64').toString('utf8');
    return v.parse(statement, JSON.parse(payload)).subject.flatMap(({ digest }) => digest.sha256 ?? []);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new PrebuiltError(
      'INVALID_SIGNATURE',
      `${source}: expected a Sigstore bundle with an in-toto statement: ${problem}`,
      { cause },
    );
  }
}
