import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OciError } from '../../errors.ts';
import { addressText, checkAddress, parseAddress, withParameter } from './address.ts';

const BASE = new URL('https://registry.example/v2/app/blobs/uploads/');
const parse = (text: string, base = BASE) => parseAddress('upload', 'Location', text, base);

describe('an address', () => {
  it.each([
    ["/u/1?sig=a%2Fb+c%20d~e'f|g&&x", "https://registry.example/u/1?sig=a%2Fb+c%20d~e'f|g&&x"],
    ["https://store.example/%7Eb/../c?X-Amz=%2b'", "https://store.example/%7Eb/../c?X-Amz=%2b'"],
    ['./1?a=b', 'https://registry.example/v2/app/blobs/uploads/1?a=b'],
    ['https://store.example', 'https://store.example/'],
    ['/a b?c d', 'https://registry.example/a%20b?c%20d'],
    ['/a?b#c', 'https://registry.example/a?b'],
    ['//other.example/a', 'https://other.example/a'],
  ])('%s keeps its bytes', (text, expected) => {
    expect(addressText(parse(text))).toBe(expected);
  });

  it('a parameter is appended to the existing query', () => {
    expect(withParameter(parse("/u?s=a+b'c"), 'digest', 'sha256:a').target).toBe(
      "/u?s=a+b'c&digest=sha256%3Aa",
    );
    expect(withParameter(parse('/u'), 'digest', 'x').target).toBe('/u?digest=x');
    expect(withParameter(parse('/u?'), 'digest', 'x').target).toBe('/u?digest=x');
  });

  it.each(['http://[', 'https://a:99999/', 'http://%', `/${'a'.repeat(20_000)}`])(
    '%s is refused with a typed error',
    (text) => {
      expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'REGISTRY_RESPONSE' }));
    },
  );

  it('any text is parsed into a request target, or refused with a typed error that omits its query', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary' }), fc.webUrl({ withQueryParameters: true })),
        (text) => {
          try {
            expect(parse(text).target).toMatch(/^[^\s#]*$/);
          } catch (error) {
            expect(error).toBeInstanceOf(OciError);
          }
        },
      ),
    );
    expect(() => parse('http://[?canary')).not.toThrow(/canary/);
  });

  it('an address of the registry itself uses HTTPS if TLS ends in front of it', () => {
    expect(addressText(parse('http://registry.example/u?a'))).toBe('https://registry.example/u?a');
    expect(
      addressText(parse('http://registry.example:8443/u', new URL('https://registry.example:8443/v2/'))),
    ).toBe('https://registry.example:8443/u');
  });
});

describe('checkAddress', () => {
  const HTTPS = 'https://registry.example/v2/';
  const LOOPBACK = 'http://127.0.0.1:5000/v2/';
  it.each([
    [HTTPS, 'https://store.example/', false, true],
    [HTTPS, 'http://store.example/', false, false],
    [HTTPS, 'http://store.example/', true, false],
    [HTTPS, 'http://127.0.0.1/token', false, false],
    [HTTPS, 'https://localhost/token', false, false],
    ['https://localhost:5000/', 'http://localhost:6000/token', false, false],
    [LOOPBACK, 'http://127.0.0.1:6000/token', false, true],
    [LOOPBACK, 'http://store.example/', false, false],
    [LOOPBACK, 'https://store.example/', false, true],
    ['http://registry.lan/v2/', 'http://store.lan/', true, true],
    ['http://registry.lan/v2/', 'http://127.0.0.1:2375/', true, false],
    [HTTPS, 'https://user:secret@store.example/', false, false],
    [HTTPS, 'file:///etc/passwd', false, false],
    [HTTPS, 'ftp://store.example/', true, false],
  ] as const)(
    'checkAddress from %s to %s, with plain HTTP enabled: %s, allows it: %s',
    (from, to, plainHttp, allowed) => {
      const check = (): void => checkAddress('op', parse(to, new URL(from)), new URL(from), plainHttp);
      if (allowed) expect(check).not.toThrow();
      else expect(check).toThrow(expect.objectContaining({ code: 'REGISTRY_REFUSED' }));
    },
  );
});
