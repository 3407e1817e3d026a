import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OciError } from '../errors.ts';
import { readToken, tokenRequest } from './tokens.ts';
import { addressOf, type Operation } from './transport/index.ts';

const OPERATION: Operation = {
  name: 'token',
  signal: new AbortController().signal,
  spend: () => {},
  end: () => {},
};
const REALM = addressOf(new URL('https://auth.example/token?account=a%2Fb~c'));
const read = (text: string): unknown => readToken(OPERATION, REALM, Buffer.from(text));

describe('readToken', () => {
  it.each([
    ['{"token":"t"}', { value: 't', seconds: 60 }],
    ['{"access_token":"t","expires_in":300}', { value: 't', seconds: 300 }],
    ['{"token":"","access_token":"t","expires_in":"3600"}', { value: 't', seconds: 3600 }],
    ['{"token":"t","expires_in":0}', { value: 't', seconds: 60 }],
    ['{"token":"t","expires_in":-5}', { value: 't', seconds: 60 }],
    ['{"token":"t","expires_in":1e99}', { value: 't', seconds: 365 * 24 * 3600 }],
    ['{"token":"t","expires_in":"soon"}', { value: 't', seconds: 60 }],
  ])('reads %s', (text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  it.each([
    'null',
    '[]',
    '"t"',
    '1',
    '{}',
    '{"token":null}',
    '{"token":{}}',
    '{"token":["t"]}',
    '{"token":"a\\nb"}',
    '{"token":"é"}',
    '',
    'canary-token',
  ])('refuses %j without quoting it', (text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'REGISTRY_RESPONSE' }));
    expect(() => read(text)).not.toThrow(/canary/);
  });

  it('turns any response into a token that is valid in a header, or a typed error', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.record({ token: fc.anything() }).map((each) => JSON.stringify(each)),
        ),
        (text) => {
          try {
            expect((read(text) as { value: string }).value).toMatch(/^[\x20-\x7e]+$/);
          } catch (error) {
            expect(error).toBeInstanceOf(OciError);
          }
        },
      ),
    );
  });
});

describe('tokenRequest', () => {
  it("leaves the realm's own query unchanged", () => {
    const request = tokenRequest(REALM, { service: 'a b', scopes: ['repository:a:pull'] }, undefined);
    expect(request.address.target).toBe('/token?account=a%2Fb~c&service=a%20b&scope=repository%3Aa%3Apull');
  });
});
