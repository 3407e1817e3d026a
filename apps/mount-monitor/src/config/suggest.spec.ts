import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nearest } from './suggest.ts';

const known = ['checkInterval', 'readTimeout', 'httpPort', 'mounts', 'logLevel'];

describe('nearest', () => {
  it.each([
    ['checkInterva', 'checkInterval'],
    ['check_interval', 'checkInterval'],
    ['ReadTimeout', 'readTimeout'],
    ['port', 'httpPort'],
    ['mount', 'mounts'],
    ['loglevel', 'logLevel'],
  ])('nearest suggests, for %s, the key %s', (word, key) => {
    expect(nearest(word, known)).toBe(key);
  });

  it.each(['', 'completelyDifferentThing', 'x'.repeat(10_000)])('nearest suggests nothing for %j', (word) => {
    expect(nearest(word, known)).toBeUndefined();
  });

  it('nearest suggests a known word for itself, no matter which others are known', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 }), (words) => {
        for (const word of words) expect(nearest(word, words)).toBe(word);
      }),
    );
  });
});
