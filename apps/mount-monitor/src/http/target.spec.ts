import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readTarget } from './target.ts';

describe('readTarget', () => {
  it.each([
    ['/healthz/live', '/healthz/live'],
    ['/healthz/live?a=//b', '/healthz/live'],
    ['http://h/version', '/version'],
    ['http://h', '/'],
    ['/%68ealthz/%6Cive', '/healthz/live'],
    ['/healthz%2Flive', '/healthz%2Flive'],
    ['/healthz/', '/healthz/'],
  ])('readTarget parses %s as the path %s', (target, path) => {
    expect(readTarget(target)).toEqual({ kind: 'path', path });
  });

  it.each([
    ['//a', '/a'],
    ['/a/../b?q=1', '/b?q=1'],
    ['/../..', '/'],
    ['/a/.', '/a/'],
    ['///evil.example/..//x', '/x'],
    ['/x/..//\\evil.example', '/%5Cevil.example'],
    ['//"><script>', '/%22%3E%3Cscript%3E'],
  ])('readTarget redirects %s to %s', (target, location) => {
    expect(readTarget(target)).toEqual({ kind: 'moved', location });
  });

  it.each(['*', 'x', '/%', '/%zz', '/%ff'])('readTarget rejects %s, which is not a path', (target) => {
    expect(readTarget(target).kind).toBe('invalid');
  });

  it('readTarget never redirects to another host or in a loop', () => {
    const piece = fc.constantFrom(
      '/',
      '.',
      '..',
      'a',
      '\\',
      '%2e',
      '%2F',
      '?',
      '#',
      'http:',
      '@',
      ' '.trim(),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const read = readTarget(`/${pieces.join('')}`);
        if (read.kind !== 'moved') return;
        expect(read.location).toMatch(/^\/(?![/\\])/);
        expect(readTarget(read.location).kind).not.toBe('moved');
      }),
      { numRuns: 5000 },
    );
  });
});
