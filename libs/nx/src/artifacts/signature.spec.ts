import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { signedDigests } from './signature.ts';

const bundle = (statement: unknown, payloadType = 'application/vnd.in-toto+json'): string =>
  JSON.stringify({
    dsseEnvelope: { payload: Buffer.from(JSON.stringify(statement)).toString('base64'), payloadType },
  });
const predicateType = 'https://slsa.dev/provenance/v1';

describe('the digests signed by a bundle', () => {
  it('the digests signed by a bundle are the SHA-256 of every subject', () => {
    const subject = [
      { name: 'a', digest: { sha256: '1' } },
      { name: 'b', digest: { sha512: '2' } },
      { digest: { sha256: '3', sha512: '4' } },
    ];
    expect(signedDigests(bundle({ predicateType, subject }), 'x')).toEqual(['1', '3']);
  });

  it.each([
    ['text that is not JSON', 'x'],
    ['a bundle without an envelope', '{"messageSignature":{}}'],
    ['an envelope with a different payload type', bundle({ predicateType, subject: [] }, 'text/plain')],
    ['a statement without subjects', bundle({ predicateType })],
    ['a payload that is not JSON', bundle({}).replace(/"payload":"[^"]+"/, '"payload":"AAAA"')],
  ])('the digests signed by a bundle are not read from %s', (_, text) => {
    expect(() => signedDigests(text, 'file')).toThrow(
      expect.objectContaining({
        code: 'INVALID_SIGNATURE',
        message: expect.stringMatching(/^file: expected a Sigstore bundle with an in-toto statement: /),
      }),
    );
  });

  it('the digests signed by a bundle are read or refused for any statement', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (statement) => {
        try {
          expect(Array.isArray(signedDigests(bundle(statement), 'x'))).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ code: 'INVALID_SIGNATURE' });
        }
      }),
    );
  });
});
