import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PrebuiltError } from '../errors.ts';
import {
  debianArchitectureOf,
  elfOf,
  hostPlatform,
  parsePlatform,
  parsePlatforms,
  platformParts,
  platformSuffix,
  qemuNameOf,
} from './platform.ts';

describe('parsePlatform', () => {
  it.each([
    ['linux/amd64', 'linux/amd64', 'linux-amd64', 'x86_64', 'amd64', 'x86_64'],
    ['linux/x86_64', 'linux/amd64', 'linux-amd64', 'x86_64', 'amd64', 'x86_64'],
    ['linux/arm64/v8', 'linux/arm64', 'linux-arm64', 'aarch64', 'arm64', 'aarch64'],
    ['linux/aarch64', 'linux/arm64', 'linux-arm64', 'aarch64', 'arm64', 'aarch64'],
    ['linux/arm', 'linux/arm/v7', 'linux-armv7', 'arm', 'armhf', 'arm'],
  ])('reads %s as %s', (text, name, suffix, machine, debian, qemu) => {
    const platform = parsePlatform(text);
    expect(platform).toBe(name);
    expect(platformSuffix(platform)).toBe(suffix);
    expect(elfOf(platform).machine).toBe(machine);
    expect(debianArchitectureOf(platform)).toBe(debian);
    expect(qemuNameOf(platform)).toBe(qemu);
  });

  it.each(['', 'linux', 'amd64', 'windows/amd64', 'linux/amd64/v3', 'linux/../x', 'LINUX/AMD64', 'toString'])(
    'refuses %j',
    (text) => {
      expect(() => parsePlatform(text)).toThrow(
        expect.objectContaining({
          code: 'INVALID_PLATFORM',
          message: expect.stringContaining('linux/amd64'),
        }),
      );
    },
  );

  it('returns a platform or throws a typed error for any text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parsePlatform(text);
        } catch (error) {
          expect(error).toBeInstanceOf(PrebuiltError);
        }
      }),
    );
  });

  it('returns the parts for an image config', () => {
    expect(platformParts(parsePlatform('linux/arm/v7'))).toEqual({
      os: 'linux',
      architecture: 'arm',
      variant: 'v7',
    });
    expect(platformParts(parsePlatform('linux/amd64'))).toEqual({ os: 'linux', architecture: 'amd64' });
  });
});

describe('parsePlatforms', () => {
  it('refuses an empty list, and duplicates even in a different spelling', () => {
    expect(() => parsePlatforms([])).toThrow('found none');
    expect(() => parsePlatforms(['linux/arm64', 'linux/aarch64'])).toThrow(
      'linux/arm64 is named more than once',
    );
  });
});

describe('hostPlatform', () => {
  it.each([
    ['linux', 'x64', 'linux/amd64'],
    ['linux', 'arm64', 'linux/arm64'],
    ['linux', 'ia32', 'linux/386'],
    ['linux', 'arm', 'linux/arm/v7'],
    ['darwin', 'arm64', undefined],
  ])('maps %s/%s to %s', (os, arch, expected) => {
    expect(hostPlatform(os, arch)).toBe(expected);
  });
});
