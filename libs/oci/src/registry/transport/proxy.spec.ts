import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OciError } from '../../errors.ts';
import { proxyFor } from './proxy.ts';

const PROXY = 'http://proxy.example:3128';
const goesThrough = (url: string, noProxy: string): boolean =>
  proxyFor(new URL(url), { HTTPS_PROXY: PROXY, HTTP_PROXY: PROXY, NO_PROXY: noProxy }) !== undefined;

describe('proxyFor', () => {
  it.each(['http://127.0.0.1:5000/', 'http://localhost:5000/', 'http://[::1]:5000/', 'https://127.8.9.1/'])(
    'returns no proxy for %s',
    (url) => {
      expect(goesThrough(url, '')).toBe(false);
    },
  );

  it.each([
    ['https://registry.example/', '', true],
    ['https://registry.example/', '*', false],
    ['https://registry.example/', 'registry.example', false],
    ['https://a.registry.example/', 'registry.example', false],
    ['https://notregistry.example/', 'registry.example', true],
    ['https://registry.example/', '.registry.example', true],
    ['https://a.registry.example/', '.registry.example', false],
    ['https://a.registry.example/', '*.registry.example', false],
    ['https://registry.example:5000/', 'registry.example:5000', false],
    ['https://registry.example:5001/', 'registry.example:5000', true],
    ['https://registry.example/', 'registry.example:443', false],
    ['http://registry.example/', 'registry.example:443', true],
    ['https://REGISTRY.example/', 'Registry.Example', false],
    ['https://10.1.2.3/', '10.0.0.0/8', false],
    ['https://11.1.2.3/', '10.0.0.0/8', true],
    ['https://10.1.2.3/', 'a.example, 10.1.2.3', false],
    ['https://10.1.2.3:8443/', '10.1.2.3:443', true],
    ['https://[fd00::1]/', 'fd00::/8', false],
    ['https://[fe00::1]/', 'fd00::/8', true],
    ['https://[fd00::1]:8443/', '[fd00::1]:8443', false],
    ['https://registry.example/', '10.0.0.0/99, /8, x/y', true],
  ])('proxyFor of %s with NO_PROXY %j: %s', (url, noProxy, expected) => {
    expect(goesThrough(url, noProxy)).toBe(expected);
  });

  it('prefers lowercase variable names, and assumes http for a proxy without a scheme', () => {
    const environment = { HTTPS_PROXY: 'http://a.example', https_proxy: 'b.example:3128' };
    expect(proxyFor(new URL('https://registry.example/'), environment)?.href).toBe('http://b.example:3128/');
  });

  it('reveals no secret of a proxy that it cannot use', () => {
    const environment = { HTTPS_PROXY: 'socks5://user:canary@proxy.example' };
    const ask = (): unknown => proxyFor(new URL('https://registry.example/'), environment);
    expect(ask).toThrow(/^HTTPS_PROXY: expected an http or https URL, found a socks5:\/\/ URL$/);
  });

  it('proxyFor accepts any NO_PROXY, and fails only because of the proxy itself', () => {
    fc.assert(
      fc.property(fc.string(), fc.webUrl(), fc.string(), (noProxy, url, proxy) => {
        try {
          proxyFor(new URL(url), { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, NO_PROXY: noProxy });
        } catch (error) {
          expect(error).toBeInstanceOf(OciError);
        }
      }),
    );
  });
});
