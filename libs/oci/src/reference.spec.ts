import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OciError } from './errors.ts';
import {
  apiHost,
  formatImageReference,
  isLoopback,
  parseImageReference,
  parseImageRepository,
} from './reference.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

describe('parseImageReference', () => {
  it.each([
    ['alpine', 'docker.io', 'library/alpine', undefined, undefined],
    ['alpine:3.20', 'docker.io', 'library/alpine', '3.20', undefined],
    ['user/app', 'docker.io', 'user/app', undefined, undefined],
    ['index.docker.io/user/app', 'docker.io', 'user/app', undefined, undefined],
    ['ghcr.io/owner/app:v1', 'ghcr.io', 'owner/app', 'v1', undefined],
    ['localhost/app', 'localhost', 'app', undefined, undefined],
    ['localhost:5000/app:tag', 'localhost:5000', 'app', 'tag', undefined],
    ['127.0.0.1:5000/a/b/c', '127.0.0.1:5000', 'a/b/c', undefined, undefined],
    ['[::1]:5000/app', '[::1]:5000', 'app', undefined, undefined],
    ['Host/app', 'Host', 'app', undefined, undefined],
    [`ghcr.io/owner/app@${DIGEST}`, 'ghcr.io', 'owner/app', undefined, DIGEST],
    [`ghcr.io/owner/app:v1@${DIGEST}`, 'ghcr.io', 'owner/app', 'v1', DIGEST],
    ['ghcr.io/a__b/c--d/e.f', 'ghcr.io', 'a__b/c--d/e.f', undefined, undefined],
  ])('reads %s', (text, registry, repository, tag, digest) => {
    expect(parseImageReference(text)).toEqual({ registry, repository, tag, digest });
  });

  it.each([
    '',
    ':tag',
    '/app',
    'ghcr.io/',
    'ghcr.io/App',
    'ghcr.io/a//b',
    'ghcr.io/a/../b',
    'ghcr.io/a:',
    'ghcr.io/a:-x',
    'ghcr.io/a:x/y',
    'ghcr.io/a b',
    'ghcr.io/a@sha256:abc',
    `ghcr.io/a@${DIGEST}@${DIGEST}`,
    'user:pass@ghcr.io/a',
    'https://ghcr.io/a',
    'ghcr.io:port/a',
    'ghcr..io/a',
    '-ghcr.io/a',
    'ghcr.io/a?x',
    'ghcr.io/a#x',
    'ghcr.io/a___b',
    `ghcr.io/${'a'.repeat(300)}`,
    `ghcr.io/a:${'t'.repeat(129)}`,
    'ghcr.io/a\n',
  ])('refuses %j', (text) => {
    expect(() => parseImageReference(text)).toThrow(expect.objectContaining({ code: 'INVALID_REFERENCE' }));
  });

  it('reads back formatted references, and turns any text into a reference or a typed error', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-zA-Z0-9.:/@_[\]-]{0,60}$/)), (text) => {
        try {
          const reference = parseImageReference(text);
          expect(parseImageReference(formatImageReference(reference))).toEqual(reference);
        } catch (error) {
          expect(error).toBeInstanceOf(OciError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('parseImageRepository', () => {
  it('parseImageRepository refuses a tag and a digest', () => {
    expect(parseImageRepository('ghcr.io/a/b')).toEqual({ registry: 'ghcr.io', repository: 'a/b' });
    for (const text of ['ghcr.io/a:1', `ghcr.io/a@${DIGEST}`]) {
      expect(() => parseImageRepository(text)).toThrow('without a tag and without a digest');
    }
  });
});

describe('a host', () => {
  it.each([
    ['localhost', true],
    ['localhost:5000', true],
    ['127.0.0.1:5000', true],
    ['[::1]:5000', true],
    ['x.localhost', true],
    ['127.0.0.1.example.com', false],
    ['localhost.example.com', false],
    ['192.168.0.1', false],
    ['ghcr.io', false],
  ])('%s is loopback: %s', (host, expected) => {
    expect(isLoopback(host)).toBe(expected);
  });

  it("Docker Hub's API host differs from its name", () => {
    expect([apiHost('docker.io'), apiHost('ghcr.io')]).toEqual(['registry-1.docker.io', 'ghcr.io']);
  });
});
